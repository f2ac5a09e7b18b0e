// Package ratelimit says whether somebody may ask once more. The budgets are in Redis, where all
// instances share them. While Redis is away, each instance keeps budgets of its own: a flood is
// still held, if less exactly, and nobody is refused because a store is down.
package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

var (
	//go:embed take.lua
	takeSource string
	takeScript = redis.NewScript(takeSource)
)

// Limit is how many requests may come at once, and the time in which as many come back, evenly.
type Limit struct {
	Requests int // 0 or less is no limit
	Per      time.Duration
}

// Off reports whether there is no limit.
func (l Limit) Off() bool { return l.Requests <= 0 }

// Budget is a limit for one subject.
type Budget struct {
	// Subject is whose requests are counted: a user, an address. It becomes the hash tag of the
	// key, so the budgets of one subject live in one slot of a cluster. No braces.
	Subject string
	// Name tells the budgets of a subject apart.
	Name  string
	Limit Limit
	// Hidden budgets show only in refusals: what is left of them tells of the requests of others.
	Hidden bool
}

func (b Budget) key() string { return "rate_limit:{" + b.Subject + "}:" + b.Name }

// Result is the answer of one Take: of the budget that refused for the longest, or else of the
// one with the least left.
type Result struct {
	Allowed   bool
	Limit     int // requests; 0 when there was no budget to tell of
	Remaining int // requests that would pass right now
	// Reset is when the whole budget is there again; in a refusal, when the next request passes.
	Reset time.Duration
}

// Options are the bounds of a Limiter.
type Options struct {
	// Timeout bounds one round trip. 0 means 250 ms.
	Timeout time.Duration
	// Cooldown is how long Redis is left alone after it failed several times in a row. 0 means 2 s.
	Cooldown time.Duration
	// OnStateChange hears of it when the circuit breaker opens, half-opens and closes. May be nil.
	OnStateChange func(from, to string)
	// LocalBudgets is how many budgets this instance keeps while Redis is away; the one that was
	// not used for the longest goes first. 0 means 50,000, some 10 MB.
	LocalBudgets int
	// Now is the clock of the budgets of this instance. nil means time.Now.
	Now func() time.Time
}

// Limiter keeps budgets. It is safe for concurrent use.
type Limiter struct {
	client  redis.UniversalClient
	timeout time.Duration
	breaker *gobreaker.CircuitBreaker[[]state]
	local   *local
}

// state is one budget after a Take.
type state struct {
	left int
	full time.Duration // until the whole budget is there again
	wait time.Duration // until the next request fits; 0 if this one did
}

// failuresToOpen is how many round trips must fail in a row before the breaker opens: one lost
// packet is no outage, and each one costs a request its timeout.
const failuresToOpen = 3

// New gives a Limiter over client, which the caller keeps and closes.
func New(client redis.UniversalClient, options Options) *Limiter {
	if options.Timeout <= 0 {
		options.Timeout = 250 * time.Millisecond
	}
	if options.Cooldown <= 0 {
		options.Cooldown = 2 * time.Second
	}
	if options.LocalBudgets <= 0 {
		options.LocalBudgets = 50_000
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	settings := gobreaker.Settings{
		Name:        "ratelimit",
		Timeout:     options.Cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
		// A request that was cancelled by its client says nothing about Redis.
		IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, context.Canceled) },
	}
	if options.OnStateChange != nil {
		settings.OnStateChange = func(_ string, from, to gobreaker.State) {
			options.OnStateChange(from.String(), to.String())
		}
	}
	return &Limiter{
		client:  client,
		timeout: options.Timeout,
		breaker: gobreaker.NewCircuitBreaker[[]state](settings),
		local:   newLocal(options.LocalBudgets, options.Now),
	}
}

// Take takes one request from every budget that has a limit, in one round trip. It is allowed
// when it fits into all of them. Of one subject's budgets, a refusal takes from none; another
// subject's, which may live elsewhere in a cluster, may have been taken from.
func (l *Limiter) Take(ctx context.Context, budgets ...Budget) Result {
	limited := make([]Budget, 0, len(budgets))
	for _, b := range budgets {
		if !b.Limit.Off() {
			limited = append(limited, b)
		}
	}
	if len(limited) == 0 {
		return Result{Allowed: true}
	}
	states, err := l.breaker.Execute(func() ([]state, error) { return l.ask(ctx, limited) })
	if err != nil {
		states = l.local.take(limited)
	}
	return sum(limited, states)
}

// ask runs the script once for each subject, all in one pipeline. A script that Redis does not
// have yet, after its start, is sent in a second one; the others have run and are not repeated.
func (l *Limiter) ask(ctx context.Context, budgets []Budget) ([]state, error) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	states := make([]state, len(budgets))
	calls := split(budgets)
	unknown, err := l.run(ctx, calls, states, takeScript.EvalSha)
	if err == nil && len(unknown) > 0 {
		unknown, err = l.run(ctx, unknown, states, takeScript.Eval)
	}
	if err == nil && len(unknown) > 0 {
		err = errors.New("redis does not take the rate limit script")
	}
	return states, err
}

// call is one run of the script: the budgets of one subject.
type call struct {
	keys   []string
	args   []any
	places []int // of its budgets
}

// split gives a call for each subject.
func split(budgets []Budget) []*call {
	var calls []*call
	bySubject := make(map[string]*call, 2)
	for i, b := range budgets {
		c := bySubject[b.Subject]
		if c == nil {
			c = &call{}
			bySubject[b.Subject] = c
			calls = append(calls, c)
		}
		c.keys = append(c.keys, b.key())
		c.args = append(c.args, b.Limit.Requests, b.Limit.Per.Microseconds())
		c.places = append(c.places, i)
	}
	return calls
}

type evaluate func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

// run makes the calls in one round trip and fills in the states of their budgets. It gives back
// the calls whose script Redis did not know.
func (l *Limiter) run(ctx context.Context, calls []*call, states []state, eval evaluate) (unknown []*call, err error) {
	answers := make([]*redis.Cmd, len(calls))
	_, err = l.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, c := range calls {
			answers[i] = eval(ctx, pipe, c.keys, c.args...)
		}
		return nil
	})
	if err != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") {
		return nil, err
	}
	for i, c := range calls {
		numbers, err := answers[i].Int64Slice()
		switch {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			unknown = append(unknown, c)
			continue
		case err != nil:
			return nil, err
		case len(numbers) != 3*len(c.places):
			return nil, fmt.Errorf("the rate limit script answered %d numbers for %d budgets", len(numbers), len(c.places))
		}
		for n, place := range c.places {
			states[place] = state{
				left: int(numbers[3*n]),
				full: time.Duration(numbers[3*n+1]) * time.Microsecond,
				wait: time.Duration(numbers[3*n+2]) * time.Microsecond,
			}
		}
	}
	return unknown, nil
}

// sum makes one Result of all budgets.
func sum(budgets []Budget, states []state) Result {
	result := Result{Allowed: true}
	told := false
	for i, s := range states {
		limit := budgets[i].Limit.Requests
		switch {
		case s.wait > 0 && (result.Allowed || s.wait > result.Reset):
			result = Result{Limit: limit, Reset: s.wait}
		case result.Allowed && !budgets[i].Hidden && (!told || s.left < result.Remaining):
			result = Result{Allowed: true, Limit: limit, Remaining: s.left, Reset: s.full}
			told = true
		}
	}
	return result
}
