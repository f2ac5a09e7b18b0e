package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"evently/internal/redisoutage"
	"evently/internal/seatlock"
	"evently/internal/telemetry"
)

// A Redis that answers and refuses is told of by the breaker; one that is gone, by its watch alone.
func TestABreakerTellsOfWhatTheOutageDoesNot(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, nil))
	outage := redisoutage.New(logger)
	changed := breakers{telemetry.NewMetrics(telemetry.Build{}), outage, logger}.watch(rateLimitBreaker)
	flap := func() {
		changed("closed", "open")
		changed("open", "half-open")
		changed("half-open", "open")
		changed("open", "half-open")
		changed("half-open", "closed")
	}
	flap()
	if got := log.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, "slow or refuses") || !strings.Contains(got, "asked again") {
		t.Errorf("of a Redis that refuses the log tells:\n%s", got)
	}

	send := outage.ProcessHook(func(_ context.Context, _ redis.Cmder) error { return io.EOF })
	if err := send(t.Context(), nil); err == nil || !outage.Down() {
		t.Fatal("Redis is not known to be gone")
	}
	log.Reset()
	flap()
	if log.Len() > 0 {
		t.Errorf("the breaker repeats that Redis is gone:\n%s", log.String())
	}
	a := &App{outage: redisoutage.New(logger)}
	if !a.toldOfRedis(errors.Join(seatlock.ErrUnavailable)) || a.toldOfRedis(errors.New("SQL")) {
		t.Error("an outage explains what it does not, or does not what it does")
	}
}
