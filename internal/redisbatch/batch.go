// Package redisbatch shares round trips to Redis among requests that come at the same time.
package redisbatch

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// call is one run of a script that waits for its turn.
type call struct {
	script *redis.Script
	keys   []string
	args   []any
	result *redis.Cmd
	// news are what it waits for: to lead, that is, to send what waits, and that there is a result. There
	// is room for both, so that nobody waits who tells it.
	news  chan news
	leads bool // it was told to lead
}

type news int

const (
	lead news = iota
	done
)

// Batch sends the calls of many requests together. It is safe for concurrent use. Each call is
// still one round trip of its own for whoever makes it; but under load, what arrives while the last
// round trips are under way goes into one write, which spares both sides a system call for each.
type Batch struct {
	client  redis.UniversalClient
	timeout time.Duration

	mu      sync.Mutex
	flying  int
	waiting []*call
}

// New gives a Batch over client, which the caller keeps and closes. No round trip takes longer than timeout,
// and no call waits for its turn much longer than that.
func New(client redis.UniversalClient, timeout time.Duration) *Batch {
	return &Batch{client: client, timeout: timeout}
}

const (
	// maxFlying is how many round trips are under way at once.
	maxFlying = 2
	// maxBatch bounds the calls of one round trip.
	maxBatch = 100
)

var errBrokenOff = errors.New("the round trip was broken off")

// Run gives the result of a script. A ctx that is done ends the waiting, and not the call.
func (b *Batch) Run(ctx context.Context, script *redis.Script, keys []string, args ...any) (*redis.Cmd, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	c := &call{script: script, keys: keys, args: args, news: make(chan news, 2)}
	if b.join(c) {
		b.send(ctx, c)
	}
	gone := ctx.Done()
	for {
		select {
		case n := <-c.news:
			if n == done {
				return c.result, nil
			}
			b.send(ctx, c)
		case <-gone:
			if b.leave(c) {
				return nil, context.Cause(ctx)
			}
			gone = nil // it is under way, or is to lead: somebody must
		}
	}
}

// join lets c wait, and reports whether it is to lead at once.
func (b *Batch) join(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting = append(b.waiting, c)
	if b.flying == maxFlying {
		return false
	}
	b.flying++
	c.leads = true
	return true
}

// leave takes a call out of those that wait, unless it is sent already or is to lead.
func (b *Batch) leave(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := slices.Index(b.waiting, c)
	if at < 0 || c.leads {
		return false
	}
	b.waiting = slices.Delete(b.waiting, at, at+1)
	return true
}

// send makes round trips of what waits until c is under way, and then hands the lead on.
func (b *Batch) send(ctx context.Context, c *call) {
	// The others' calls are not this request's to cancel.
	ctx = context.WithoutCancel(ctx)
	defer b.handOn()
	for {
		calls := b.take()
		if len(calls) == 0 {
			return // another one has sent them all
		}
		if err := b.exchange(ctx, calls); err != nil {
			// Redis is silent. Whoever came meanwhile has waited as long as anybody may.
			b.fail(err)
		}
		if slices.Contains(calls, c) {
			return
		}
	}
}

// take gives those whose turn it is.
func (b *Batch) take() []*call {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(b.waiting), maxBatch)
	calls := slices.Clone(b.waiting[:n])
	b.waiting = slices.Delete(b.waiting, 0, n)
	return calls
}

// fail ends all calls that wait.
func (b *Batch) fail(err error) {
	b.mu.Lock()
	calls := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	for _, c := range calls {
		c.result = new(redis.Cmd)
		c.result.SetErr(err)
		c.news <- done
	}
}

// handOn lets the first of those lead that wait and do not lead already.
func (b *Batch) handOn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, next := range b.waiting {
		if !next.leads {
			next.leads = true
			next.news <- lead
			return
		}
	}
	b.flying--
}

// exchange runs the calls. It fails when the time was over before Redis had answered. A script that
// Redis does not know, because it is new or was restarted, is sent in full.
func (b *Batch) exchange(ctx context.Context, calls []*call) error {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	for _, c := range calls {
		c.result = redis.NewCmd(ctx, c.command()...)
		c.result.SetErr(errBrokenOff) // unless there is another one
		defer func() { c.news <- done }()
	}
	if len(calls) == 1 {
		_ = b.client.Process(ctx, calls[0].result) // which has the error
	} else {
		_, _ = b.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for _, c := range calls {
				_ = pipe.Process(ctx, c.result)
			}
			return nil
		}) // each result has its own error
	}
	for _, c := range calls {
		if err := c.result.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			c.result = c.script.Eval(ctx, b.client, c.keys, c.args...)
		}
	}
	return ctx.Err()
}

// command gives the words of EVALSHA. Pointers to the keys spare each of them a piece of memory.
func (c *call) command() []any {
	words := make([]any, 0, 3+len(c.keys)+len(c.args))
	words = append(words, "evalsha", c.script.Hash(), len(c.keys))
	for i := range c.keys {
		words = append(words, &c.keys[i])
	}
	return append(words, c.args...)
}
