package rediskit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
)

const (
	failuresToOpen = 3           // in a row
	logEvery       = time.Minute // at most one outage
)

// breaker is a redis.Hook that bounds the time of commands and fails them while Redis is down.
type breaker struct {
	circuit *gobreaker.CircuitBreaker[struct{}]
	options Options

	mu     sync.Mutex
	last   error     // of the latest failure
	opened time.Time // zero while the circuit is closed
	logged time.Time // when an outage was last logged
	quiet  bool      // this outage was not, so far
}

func newBreaker(o Options) *breaker {
	b := &breaker{options: o}
	b.circuit = gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          "redis",
		Timeout:       o.Cooldown,
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
		IsSuccessful:  func(err error) bool { return !isOutage(err) },
		IsExcluded:    func(err error) bool { return err != nil && errors.As(err, new(callerGone)) },
		OnStateChange: func(_ string, _, to gobreaker.State) { b.stateChanged(to) },
	})
	return b
}

// callerGone is the error of a command whose caller's context ended. It says nothing about Redis.
type callerGone struct{ error }

func (e callerGone) Unwrap() error { return e.error }

// admitted marks the context of a command, which go-redis passes to the commands that prepare a connection.
type admitted struct{}

func (b *breaker) do(ctx context.Context, run func(ctx context.Context) error) (ran bool, err error) {
	if ctx.Value(admitted{}) != nil {
		return true, run(ctx)
	}
	_, err = b.circuit.Execute(func() (struct{}, error) {
		ran = true
		bounded, cancel := context.WithTimeout(context.WithValue(ctx, admitted{}, true), b.options.Timeout)
		defer cancel()
		err := run(bounded)
		switch {
		case err != nil && ctx.Err() != nil:
			return struct{}{}, callerGone{err}
		case isOutage(err):
			b.mu.Lock()
			b.last = err
			b.mu.Unlock()
		}
		return struct{}{}, err
	})
	if gone := (callerGone{}); errors.As(err, &gone) {
		return ran, gone.error
	}
	return ran, unavailable(err)
}

func unavailable(err error) error {
	if isOutage(err) && !errors.Is(err, ErrUnavailable) {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// isOutage reports an error that is not Redis's reply to this one command.
func isOutage(err error) bool {
	var reply redis.Error
	switch {
	case err == nil, errors.Is(err, redis.ErrClosed):
		return false
	case errors.As(err, &reply):
		// Those of every command. A Redis that is full or a replica still replies to reads.
		return redis.IsLoadingError(err) || redis.IsClusterDownError(err) || redis.IsMasterDownError(err) ||
			redis.IsMaxClientsError(err) || isRefusal(err)
	default:
		return true
	}
}

// isRefusal reports a wrong user or password, or a user who may not do what Evently needs.
func isRefusal(err error) bool {
	return redis.IsAuthError(err) || redis.IsPermissionError(err)
}

// stateChanged runs under the lock of the circuit breaker.
func (b *breaker) stateChanged(state gobreaker.State) {
	b.options.OnStateChange(state.String())
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case gobreaker.StateOpen:
		now := time.Now()
		if b.opened.IsZero() {
			b.opened, b.quiet = now, true
		}
		// Not each time: a Redis that refuses new connections, or some commands, and not all, opens it again and again.
		if b.quiet && now.Sub(b.logged) >= logEvery {
			b.logged, b.quiet = now, false
			b.options.Log.Warn("redis circuit breaker opened", "error", fmt.Sprint(b.last))
		}
	case gobreaker.StateClosed:
		if !b.quiet {
			b.options.Log.Info("redis circuit breaker closed", "down", time.Since(b.opened).Round(time.Millisecond).String())
		}
		b.opened = time.Time{}
	}
}

func (b *breaker) down() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !b.opened.IsZero()
}

func (b *breaker) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *breaker) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return traced(ctx, cmd.Name(), func(ctx context.Context) error {
			_, err := b.do(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
			return err
		})
	}
}

func (b *breaker) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return traced(ctx, "pipeline", func(ctx context.Context) error {
			ran, err := b.do(ctx, func(ctx context.Context) error {
				err := next(ctx, cmds)
				for _, cmd := range cmds {
					if isOutage(cmd.Err()) { // next returns the first error, which may be a reply
						return cmd.Err()
					}
				}
				return err
			})
			for _, cmd := range cmds {
				if !ran {
					cmd.SetErr(err)
				} else if ctx.Err() == nil {
					cmd.SetErr(unavailable(cmd.Err()))
				}
			}
			return err
		})
	}
}
