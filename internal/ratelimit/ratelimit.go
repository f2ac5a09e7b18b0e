// Package ratelimit limits requests by budgets in Redis, which all instances share. While Redis is
// unavailable each instance keeps budgets in memory.
package ratelimit

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"evently/internal/rediskit"
)

var (
	//go:embed take.lua
	takeSource string
	takeScript = redis.NewScript(takeSource)
)

// Limit is how many requests may come at once, and the time in which as many are refilled, evenly.
type Limit struct {
	Requests int // 0 or less is no limit
	Per      time.Duration
}

// Off reports whether there is no limit.
func (l Limit) Off() bool { return l.Requests <= 0 }

// Budget is a limit for one subject.
type Budget struct {
	// Subject is whose requests are counted: a user, an address. It must not contain braces: it is the hash
	// tag of the key, so that the budgets of a subject share a slot of a cluster.
	Subject string
	Name    string // of the budget among those of its subject
	Limit   Limit
	// Hidden budgets show only in refusals: what is left of them is caused by the requests of others.
	Hidden bool
}

func (b Budget) key() string { return "rate_limit:{" + b.Subject + "}:" + b.Name }

// Result is the outcome of one Take, for the budget with the longest wait if it is a refusal, else for
// the visible budget with the least left.
type Result struct {
	Allowed   bool
	Limit     int           // requests; 0 if there is no visible budget
	Remaining int           // requests that would pass right now
	Reset     time.Duration // until the budget is full; in a refusal, until the next request passes
}

// Options configure a Limiter. The zero value of each field is its default.
type Options struct {
	LocalBudgets int              // most budgets in memory; default 50,000, about 10 MB
	Now          func() time.Time // the clock of the budgets in memory; default time.Now
}

// Limiter keeps budgets. It is safe for concurrent use.
type Limiter struct {
	client *rediskit.Client
	local  *local
}

type state struct {
	left int
	full time.Duration // until the budget is full
	wait time.Duration // until the next request fits; 0 if this one did
}

// New returns a Limiter over client, which the caller closes.
func New(client *rediskit.Client, options Options) *Limiter {
	if options.Now == nil {
		options.Now = time.Now
	}
	return &Limiter{client: client, local: newLocal(cmp.Or(options.LocalBudgets, 50_000), options.Now)}
}

// Take takes one request from every budget that has a limit, or from none. It is allowed if it fits into all
// of them. It goes on when ctx is cancelled: a client that hangs up must not leave some budgets taken from and others not.
func (l *Limiter) Take(ctx context.Context, budgets ...Budget) Result {
	ctx = context.WithoutCancel(ctx)
	limited := slices.DeleteFunc(slices.Clone(budgets), func(b Budget) bool { return b.Limit.Off() })
	if len(limited) == 0 {
		return Result{Allowed: true}
	}
	states, err := l.takeShared(ctx, limited)
	if err != nil {
		states = l.local.take(limited)
	}
	return sum(limited, states)
}

// takeShared takes from budgets in Redis, by one script for each subject, in one round trip.
func (l *Limiter) takeShared(ctx context.Context, budgets []Budget) ([]state, error) {
	subjects := bySubject(budgets)
	states := make([]state, len(budgets))
	var group errgroup.Group
	for _, places := range subjects {
		group.Go(func() error { return l.takeOf(ctx, budgets, places, states) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if refused := func(s state) bool { return s.wait > 0 }; slices.ContainsFunc(states, refused) {
		for _, places := range subjects {
			l.giveBack(ctx, budgets, places, states)
		}
	}
	return states, nil
}

// takeOf takes from the budgets of one subject, which are in places, and writes their states.
func (l *Limiter) takeOf(ctx context.Context, budgets []Budget, places []int, states []state) error {
	keys, args := make([]string, len(places)), make([]any, 0, 2*len(places))
	for i, place := range places {
		b := budgets[place]
		keys[i] = b.key()
		args = append(args, b.Limit.Requests, b.Limit.Per.Microseconds())
	}
	numbers, err := takeScript.Run(ctx, l.client, keys, args...).Int64Slice()
	if err != nil {
		return err
	}
	if len(numbers) != 3*len(places) {
		return fmt.Errorf("rate limit script returned %d numbers for %d budgets", len(numbers), len(places))
	}
	for i, place := range places {
		states[place] = state{
			left: int(numbers[3*i]),
			full: time.Duration(numbers[3*i+1]) * time.Microsecond,
			wait: time.Duration(numbers[3*i+2]) * time.Microsecond,
		}
	}
	return nil
}

// giveBack gives back what was taken from the budgets of one subject: all, or nothing if one refused.
func (l *Limiter) giveBack(ctx context.Context, budgets []Budget, places []int, states []state) {
	for _, place := range places {
		if states[place].wait > 0 {
			return
		}
	}
	for _, place := range places {
		l.Give(ctx, budgets[place])
	}
}

// bySubject returns the places of the budgets of each subject, in the order of their first.
func bySubject(budgets []Budget) [][]int {
	var groups [][]int
	known := make(map[string]int, 2)
	for place, b := range budgets {
		group, ok := known[b.Subject]
		if !ok {
			group = len(groups)
			known[b.Subject] = group
			groups = append(groups, nil)
		}
		groups[group] = append(groups[group], place)
	}
	return groups
}

// sum returns the Result of all budgets.
func sum(budgets []Budget, states []state) Result {
	result := Result{Allowed: true}
	visible := false
	for i, s := range states {
		limit := budgets[i].Limit.Requests
		switch {
		case s.wait > 0 && (result.Allowed || s.wait > result.Reset):
			result = Result{Limit: limit, Reset: s.wait}
		case result.Allowed && !budgets[i].Hidden && (!visible || s.left < result.Remaining):
			result = Result{Allowed: true, Limit: limit, Remaining: s.left, Reset: s.full}
			visible = true
		}
	}
	return result
}
