package app_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"evently/internal/testkit"
)

// told gives the lines above debug that are not about a request: what an operator reads.
func (i *instance) told(t testing.TB) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for _, line := range i.logged(t, "") {
		if line["level"] != "DEBUG" && line["msg"] != "request" {
			lines = append(lines, line)
		}
	}
	return lines
}

// While Redis is away, everything that uses it fails again and again: seat locks, rate limits, the
// waiting room, asynq, two jobs of the schedule, health checks. The log has one line.
func TestRedisGoneIsOneLineAndItsReturnAnother(t *testing.T) {
	t.Parallel()
	redis, redisURL := newProxy(t, testkit.RedisURL(t))
	b := openBoxOffice(t, "REDIS_URL="+redisURL, "LOG_LEVEL=debug")
	user := b.user(t)
	b.hold(t, user, b.seats[0])
	before := len(b.told(t))

	redis.set(refusing)
	for _, seat := range b.seats[1:6] {
		booking := b.hold(t, user, seat)
		b.cancel(t, user, booking).want(t, http.StatusOK, "")
		b.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	}
	if _, err := b.Services().Bookings.RetryReleases(context.Background()); err == nil {
		t.Error("locks were released in a Redis that is away")
	}
	if answer := b.send(t, request{path: "/health"}).want(t, http.StatusOK, ""); answer.text(t, "status") != "DEGRADED" {
		t.Errorf("health: %s", answer.raw)
	}
	// Two runs of the job that comes round every two seconds.
	b.eventually(t, "failed jobs", func() bool { return len(b.logged(t, "job failed")) >= 2 })
	if lines := b.told(t)[before:]; len(lines) != 1 || lines[0]["msg"] != "redis circuit breaker opened" || lines[0]["level"] != "WARN" {
		t.Errorf("%d lines tell of it, want 1: %v", len(lines), lines)
	}

	redis.set(passing)
	b.eventually(t, "the return of Redis in the log", func() bool { return len(b.logged(t, "redis circuit breaker closed")) == 1 })
	// What was left to do is done then, of which the jobs tell.
	for _, line := range b.told(t)[before+1:] {
		if message := line["msg"]; message != "redis circuit breaker closed" && message != "job done" {
			t.Errorf("after its return: %v", line)
		}
	}
}

// eventually waits until something is so.
func (i *instance) eventually(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
