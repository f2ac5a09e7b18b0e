package service

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

type result[T any] struct {
	value T
	err   error
	took  time.Duration
}

type flight[T any] struct {
	began  time.Time
	now    func() time.Time
	done   chan struct{}
	result result[T] // set before done is closed
}

func (f *flight[T]) await(ctx context.Context) result[T] {
	select {
	case <-f.done:
		return f.result
	case <-ctx.Done():
		return result[T]{err: context.Cause(ctx), took: f.now().Sub(f.began)}
	}
}

// probe runs a check: one at a time, and none while the last result is fresh.
type probe[T any] struct {
	name string
	run  func(context.Context) (T, error)
	log  *slog.Logger
	down slog.Level // level of "health check failed"
	up   slog.Level // level of "health check recovered"
	now  func() time.Time

	mu       sync.Mutex
	last     *flight[T]
	ended    time.Time // of last; zero while it runs
	wasUp    bool
	everDone bool
}

func newProbe[T any](name string, run func(context.Context) (T, error), deps HealthDeps) *probe[T] {
	return &probe[T]{name: name, run: run, log: deps.Log, down: slog.LevelWarn, up: slog.LevelInfo, now: deps.Now}
}

func (p *probe[T]) quiet() *probe[T] {
	p.down, p.up = slog.LevelDebug, slog.LevelDebug
	return p
}

// start returns the running or fresh flight, or starts one. Its run outlives ctx: others may wait for it.
func (p *probe[T]) start(ctx context.Context) *flight[T] {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.last != nil && (p.ended.IsZero() || now.Sub(p.ended) < checkFreshFor) {
		return p.last
	}
	f := &flight[T]{began: now, now: p.now, done: make(chan struct{})}
	p.last, p.ended = f, time.Time{}
	go p.check(context.WithoutCancel(ctx), f)
	return f
}

// check runs the check. Health.Close waits for it.
func (p *probe[T]) check(ctx context.Context, f *flight[T]) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	defer close(f.done)
	defer func() {
		if cause := recover(); cause != nil {
			f.result.err = fmt.Errorf("panic: %v", cause)
		}
		f.result.took = p.now().Sub(f.began)
		p.finish(ctx, f.result.err)
	}()
	f.result.value, f.result.err = p.run(ctx)
}

// finish records the end of a run and logs a change: responses do not have the cause.
func (p *probe[T]) finish(ctx context.Context, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = p.now()
	up := err == nil
	switch {
	case up && p.everDone && !p.wasUp:
		p.log.Log(ctx, p.up, "health check recovered", "check", p.name)
	case !up && (p.wasUp || !p.everDone):
		p.log.Log(ctx, p.down, "health check failed", "check", p.name, "error", err.Error())
	}
	p.wasUp, p.everDone = up, true
}

func (p *probe[T]) wait(ctx context.Context) {
	p.mu.Lock()
	last := p.last
	p.mu.Unlock()
	if last != nil {
		last.await(ctx)
	}
}
