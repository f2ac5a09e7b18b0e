package app_test

import (
	"context"
	"net/http"
	"testing"

	"evently/internal/testkit"
)

// operatorLines returns the lines above debug that are not about a request.
func (i *instance) operatorLines(t testing.TB) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for _, line := range i.logged(t, "") {
		if line["level"] != "DEBUG" && line["msg"] != "request" {
			lines = append(lines, line)
		}
	}
	return lines
}

// During an outage seat locks, rate limits, the waiting room, asynq, jobs and health checks fail repeatedly.
// An operator sees one line when it begins and one when it ends.
func TestRedisOutage_IsTwoLines(t *testing.T) {
	t.Parallel()
	redis, redisURL := newProxy(t, testkit.RedisURL(t))
	b := openBoxOffice(t, "REDIS_URL="+redisURL, "LOG_LEVEL=debug", "REDIS_TIMEOUT=5s") // a slow machine is no outage
	user := b.user(t)
	b.hold(t, user, b.seats[0])
	before := len(b.operatorLines(t))

	redis.set(refusing)
	for _, seat := range b.seats[1:6] {
		booking := b.hold(t, user, seat)
		b.cancel(t, user, booking).want(t, http.StatusOK, "")
		b.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	}
	if _, err := b.Services().Bookings.RetryReleases(context.Background()); err == nil {
		t.Error("locks were released without Redis")
	}
	if health := b.send(t, request{path: "/health"}).want(t, http.StatusOK, ""); health.text(t, "status") != "DEGRADED" {
		t.Errorf("health: %s", health.raw)
	}
	eventually(t, "failed jobs", func() bool { return len(b.logged(t, "job failed")) >= 2 })
	lines := b.operatorLines(t)[before:]
	if len(lines) != 1 || lines[0]["msg"] != "redis circuit breaker opened" || lines[0]["level"] != "WARN" {
		t.Errorf("%d lines, want 1: %v", len(lines), lines)
	}

	redis.set(passing)
	eventually(t, "the end of the outage", func() bool { return len(b.logged(t, "redis circuit breaker closed")) == 1 })
	for _, line := range b.operatorLines(t)[before+1:] {
		if message := line["msg"]; message != "redis circuit breaker closed" && message != "job done" {
			t.Errorf("after the outage: %v", line)
		}
	}
}
