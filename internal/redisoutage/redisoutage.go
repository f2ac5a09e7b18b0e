// Package redisoutage notices that Redis has gone, and that it is back, by the commands that are sent
// to it anyway, and logs one line of each. Dozens of parts fail while it is away; whoever reads the log
// wants to be told once.
package redisoutage

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// settled is how long nothing may fail before an outage counts as over: at its edges some
// connections work and some do not.
const settled = time.Second

// Watch is a hook for every client of one Redis. It is safe for concurrent use.
type Watch struct {
	log   *slog.Logger
	since atomic.Int64 // when it went, in nanoseconds since 1970; 0 while it answers
	last  atomic.Int64 // failure, likewise
	late  atomic.Int64 // commands that got no answer in time, since the last answer
}

// lateToTell is how many commands in a row must get no answer in time: one may be this process's own
// fault, which had no processor for a while.
const lateToTell = 3

// New gives a Watch that takes Redis to be there.
func New(log *slog.Logger) *Watch { return &Watch{log: log} }

// Down reports whether Redis is known to be gone.
func (w *Watch) Down() bool { return w.since.Load() != 0 }

// note takes the outcome of a command.
func (w *Watch) note(ctx context.Context, err error) {
	since := w.since.Load()
	if (err == nil || errors.Is(err, redis.Nil)) && w.late.Load() != 0 {
		w.late.Store(0)
	}
	if err == nil && since == 0 {
		return
	}
	now := time.Now()
	switch {
	case errors.Is(err, context.Canceled): // tells of the caller
	case unreachable(err):
		w.last.Store(now.UnixNano())
		if isLate(err) && w.late.Add(1) < lateToTell {
			return
		}
		if w.since.CompareAndSwap(0, now.UnixNano()) {
			w.log.ErrorContext(ctx, "Redis does not answer: booking goes on without it", "error", err.Error())
		}
	case since != 0 && now.Sub(time.Unix(0, w.last.Load())) > settled: // an answer, be it an error
		if w.since.CompareAndSwap(since, 0) {
			w.log.InfoContext(ctx, "Redis answers again", "away", now.Sub(time.Unix(0, since)).Round(time.Millisecond).String())
		}
	}
}

// unreachable reports an error of the way to Redis, as against one in its answer.
func unreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || isLate(err)
}

// isLate reports an answer that did not come in time.
func isLate(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, redis.ErrPoolTimeout) ||
		errors.As(err, &network) && network.Timeout()
}

// DialHook implements redis.Hook.
func (w *Watch) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (w *Watch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		w.note(ctx, err)
		return err
	}
}

// ProcessPipelineHook implements redis.Hook.
func (w *Watch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		w.note(ctx, err)
		return err
	}
}
