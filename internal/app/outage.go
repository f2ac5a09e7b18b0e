package app

import (
	"errors"
	"log/slog"
	"sync/atomic"

	"evently/internal/domain"
	"evently/internal/redisoutage"
	"evently/internal/seatlock"
	"evently/internal/telemetry"
)

// The circuit breakers in front of Redis, as the metrics name them.
const (
	seatLockBreaker    = "seat_locks"
	rateLimitBreaker   = "rate_limits"
	waitingRoomBreaker = "waiting_room"
)

// breakers are what hears of the circuit breakers.
type breakers struct {
	metrics *telemetry.Metrics
	outage  *redisoutage.Watch
	log     *slog.Logger
}

// watch gives what hears of the circuit breaker name. An outage of Redis is told of once, by its
// watch, and not by each breaker, which tries again every two seconds. There is a line only where
// Redis can be reached and is too slow, or refuses.
func (b breakers) watch(name string) func(from, to string) {
	var told atomic.Bool
	return func(from, to string) {
		b.metrics.BreakerChanged(name, to)
		log := b.log.With("breaker", name, "from", from, "to", to)
		switch {
		case from == "closed" && !b.outage.Down():
			log.Warn("Redis is slow or refuses: it is left alone for now")
			told.Store(true)
		case to == "closed" && told.CompareAndSwap(true, false):
			log.Info("Redis is asked again")
		default:
			log.Debug("a circuit breaker in front of Redis has changed")
		}
	}
}

// toldOfRedis reports the errors of jobs that an outage of Redis explains.
func (a *App) toldOfRedis(err error) bool {
	return a.outage.Down() || errors.Is(err, seatlock.ErrUnavailable) || errors.Is(err, domain.ErrWaitingRoomUnavailable)
}
