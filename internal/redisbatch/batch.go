// Package redisbatch shares round trips to Redis among requests that come at the same time.
package redisbatch

import (
	"context"
	"errors"
	"fmt"
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

	mu       sync.Mutex
	flying   int
	waiting  []*call
	answered time.Time // when Redis last was heard of
}

// New gives a Batch over client, which the caller keeps and closes. No round trip takes longer than timeout,
// and while Redis is silent no call waits for its turn longer than that.
func New(client redis.UniversalClient, timeout time.Duration) *Batch {
	return &Batch{client: client, timeout: timeout}
}

const (
	// maxFlying is how many round trips are under way at once.
	maxFlying = 2
	// maxBatch bounds the calls of one round trip.
	maxBatch = 100
)

// ErrNotSent tells of a call that Redis has not heard of, and never will.
var ErrNotSent = errors.New("the call was not sent")

var errBrokenOff = errors.New("the round trip was broken off")

// Run gives the result of a script. A ctx that is done ends the waiting, and not the call once it is sent. It
// fails, or its result does, with ErrNotSent when it was not.
func (b *Batch) Run(ctx context.Context, script *redis.Script, keys []string, args ...any) (*redis.Cmd, error) {
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
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
				return nil, fmt.Errorf("%w: %w", ErrNotSent, context.Cause(ctx))
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
		began := time.Now()
		b.ended(began, b.exchange(ctx, calls))
		if !b.isWaiting(c) {
			return
		}
	}
}

// ended notes how a round trip ended. When Redis has been silent since it began, those who wait have nothing
// to wait for; one connection that hangs beside another one that does not is no reason to fail them.
func (b *Batch) ended(began time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.answered = time.Now()
		return
	}
	if !b.answered.Before(began) {
		return
	}
	for _, c := range b.waiting {
		c.result = new(redis.Cmd)
		c.result.SetErr(fmt.Errorf("%w: %w", ErrNotSent, err))
		c.news <- done
	}
	b.waiting = nil
}

// isWaiting reports whether nobody has sent c yet.
func (b *Batch) isWaiting(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Contains(b.waiting, c)
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
