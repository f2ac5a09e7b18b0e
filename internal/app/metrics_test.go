package app_test

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"evently/internal/testkit"
)

func (i *instance) scrape(t testing.TB) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+i.MetricsAddr().String()+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := i.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d, %v: %s", resp.StatusCode, err, body)
	}
	return string(body)
}

func wantSeries(t testing.TB, scraped string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(scraped, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("missing line %s; got\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(scraped, -1), "\n"))
		}
	}
}

func TestMetrics_CountASale(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "METRICS_ADDR=127.0.0.1:0", "CLEANUP_SCHEDULE=@every 1h")
	user, other := b.user(t), b.user(t)

	booking := b.hold(t, user, b.seats[0], b.seats[1])
	b.lock(t, other, b.seats[1], b.seats[2]).want(t, http.StatusConflict, "seats_unavailable")
	b.lock(t, other, 1<<40).want(t, http.StatusBadRequest, "invalid_seats")
	b.pay(t, user, booking, 900).want(t, http.StatusOK, "")
	b.confirm(t, user, booking).want(t, http.StatusOK, "")
	b.confirm(t, user, booking).want(t, http.StatusOK, "") // repeated: no event
	b.cancel(t, user, booking).want(t, http.StatusOK, "")

	expired := b.hold(t, other, b.seats[3])
	testkit.Expire(t, b.pool, expired)
	b.flushRedis(t)
	b.hold(t, user, b.seats[3]) // ends the expired hold
	swept := b.hold(t, other, b.seats[4])
	testkit.Expire(t, b.pool, swept)
	if n, err := b.Services().Bookings.ExpireDue(context.Background()); n != 1 || err != nil {
		t.Fatalf("%d holds expired, %v", n, err)
	}
	b.send(t, request{path: "/api/v1/nowhere/4711"}).want(t, http.StatusNotFound, "route_not_found")

	eventually(t, "refund", func() bool { return strings.Contains(b.scrape(t), "evently_refunds_total 1") })
	scraped := b.scrape(t)
	wantSeries(t, scraped,
		`evently_seat_locks_total{layer="redis",outcome="won"} 5`,
		`evently_seat_locks_total{layer="redis",outcome="lost"} 1`,
		`evently_seat_locks_total{layer="redis",outcome="failed"} 0`,
		`evently_seat_locks_total{layer="postgres",outcome="won"} 4`,
		`evently_seat_locks_total{layer="postgres",outcome="refused"} 1`,
		`evently_holds_total{event="held"} 4`,
		`evently_holds_total{event="confirmed"} 1`,
		`evently_holds_total{event="cancelled"} 1`,
		`evently_holds_total{event="expired"} 2`,
		`evently_hold_release_delay_seconds_count 2`,
		`evently_payments_total{outcome="succeeded"} 1`,
		`evently_refunds_total 1`,
		`evently_http_requests_total{method="POST",route="/api/v1/bookings/lock",status="200"} 4`,
		`evently_http_requests_total{method="POST",route="/api/v1/bookings/lock",status="409"} 1`,
		`evently_http_requests_total{method="POST",route="/api/v1/bookings/{booking_id}/confirm",status="200"} 2`,
		`evently_http_requests_total{method="GET",route="none",status="404"} 1`,
		`evently_http_request_duration_seconds_count{method="POST",route="/api/v1/bookings/lock"} 6`,
		`evently_http_requests_in_flight 0`,
		`evently_redis_up 1`,
		`evently_redis_breaker_state 0`,
	)
	for _, name := range []string{"evently_postgres_connections{", "evently_redis_pool_hits_total ", "go_goroutines ", "process_open_fds ", `evently_build_info{`} {
		if !strings.Contains(scraped, "\n"+name) {
			t.Errorf("missing metric %s", name)
		}
	}
	// Labels are never chosen by clients.
	for _, secret := range []string{"/4711", `"4711"`, "nowhere", "example.com"} {
		if strings.Contains(scraped, secret) {
			t.Errorf("%s is in the metrics", secret)
		}
	}
}

func TestMetrics_RedisOutage(t *testing.T) {
	t.Parallel()
	redis, redisURL := newProxy(t, testkit.RedisURL(t))
	b := openBoxOffice(t, "METRICS_ADDR=127.0.0.1:0", "REDIS_URL="+redisURL)
	redis.set(refusing)
	user := b.user(t)
	for _, seat := range b.seats[:4] {
		b.hold(t, user, seat) // booking goes on
	}
	wantSeries(t, b.scrape(t),
		`evently_redis_up 0`,
		`evently_redis_breaker_state 2`,
		`evently_seat_locks_total{layer="redis",outcome="failed"} 4`,
		`evently_seat_locks_total{layer="postgres",outcome="won"} 4`,
	)
}

func TestMetrics_AreNotOnThePublicPort(t *testing.T) {
	t.Parallel()
	off := start(t)
	if off.MetricsAddr() != nil {
		t.Errorf("metrics are served on %s without METRICS_ADDR", off.MetricsAddr())
	}
	for _, i := range []*instance{off, start(t, "METRICS_ADDR=127.0.0.1:0")} {
		i.send(t, request{path: "/metrics"}).want(t, http.StatusNotFound, "route_not_found")
	}
}

func TestMetrics_WaitingRoom(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "METRICS_ADDR=127.0.0.1:0", "MAX_CONCURRENT_USERS=1")
	wantSeries(t, b.scrape(t), `evently_waiting_room_waiting 0`, `evently_asynq_tasks{queue="waitingroom",state="pending"} 0`)
	b.lock(t, b.user(t), b.seats[0]).want(t, http.StatusOK, "")
	for _, user := range b.users(t, 2) {
		b.lock(t, user, b.seats[1]).want(t, http.StatusTooManyRequests, "waiting_room")
	}
	wantSeries(t, b.scrape(t),
		`evently_waiting_room_waiting 2`,
		`evently_waiting_room_admitted 1`,
		`evently_http_requests_total{method="POST",route="/api/v1/bookings/lock",status="429"} 2`,
	)
}
