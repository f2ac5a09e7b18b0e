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
	done   chan struct{} // closed when there is a result
	lead   chan struct{} // closed when this call is to send what waits
	leads  bool          // lead is closed
}

// Batch sends the calls of many requests together. It is safe for concurrent use. Each call is still one round trip of its own
// for whoever makes it; but under load, what arrives while the last round trips are under way goes
// into one write, which spares both sides a system call for each.
type Batch struct {
	client  redis.UniversalClient
	timeout time.Duration

	mu      sync.Mutex
	flying  int
	waiting []*call
}

// New gives a Batch over client, which the caller keeps and closes. No round trip takes longer than timeout.
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
		return nil, context.Cause(ctx) // nobody waits for it, so it is not asked
	}
	c := &call{script: script, keys: keys, args: args, done: make(chan struct{}), lead: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, c)
	if b.flying < maxFlying {
		b.flying++
		c.call()
	}
	b.mu.Unlock()
	gone := ctx.Done()
	for {
		select {
		case <-c.lead:
			b.send(ctx, c)
			<-c.done
			return c.result, nil
		case <-c.done:
			return c.result, nil
		case <-gone:
			if b.leave(c) {
				return nil, context.Cause(ctx)
			}
			gone = nil // it is under way, or is to lead: somebody must
		}
	}
}

// call tells c to lead. The batch's lock is held.
func (c *call) call() {
	c.leads = true
	close(c.lead)
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
		b.exchange(ctx, calls)
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

// handOn lets the first of those lead that wait and do not lead already.
func (b *Batch) handOn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, next := range b.waiting {
		if !next.leads {
			next.call()
			return
		}
	}
	b.flying--
}

// exchange runs the calls. A script that Redis does not know, because it is new or was restarted,
// is sent in full.
func (b *Batch) exchange(ctx context.Context, calls []*call) {
	ctx, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	for _, c := range calls {
		c.result = redis.NewCmd(ctx)
		c.result.SetErr(errBrokenOff) // unless there is another one
		defer close(c.done)
	}
	if len(calls) == 1 {
		c := calls[0]
		c.result = c.script.Run(ctx, b.client, c.keys, c.args...)
		return
	}
	_, _ = b.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, c := range calls {
			c.result = c.script.EvalSha(ctx, pipe, c.keys, c.args...)
		}
		return nil
	}) // each result has its own error
	for _, c := range calls {
		if err := c.result.Err(); err != nil && redis.HasErrorPrefix(err, "NOSCRIPT") {
			c.result = c.script.Eval(ctx, b.client, c.keys, c.args...)
		}
	}
}
