package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/telemetry"
)

// scrape returns the text of /metrics.
func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, scraped string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(scraped, "\n"+line+"\n") {
			t.Errorf("missing line %s", line)
		}
	}
}

func TestMetrics_RecordedValuesAreScraped(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.Build{Version: "1.2.3", Commit: "abc", GoVersion: "go1"})
	m.RequestBegan()
	m.RequestEnded("GET", "/api/v1/shows/{show_id}", 404, 30*time.Millisecond, false)
	m.RequestBegan()
	m.SeatLock(service.LockRedis, service.LockLost)
	m.Hold(domain.EventHeld)
	m.HoldReleased(90 * time.Second)
	m.Payment(service.PaymentLate)
	m.Refund()
	m.RoomAdmitted(25)
	m.RoomUnavailable()
	m.RedisBreaker("open")
	m.JobRan("cleanup", "failed", 3, time.Second)
	m.JobSkipped("cleanup")
	wantLines(t, scrape(t, m),
		`evently_build_info{commit="abc",goversion="go1",version="1.2.3"} 1`,
		`evently_http_requests_total{method="GET",route="/api/v1/shows/{show_id}",status="404"} 1`,
		`evently_http_request_duration_seconds_bucket{method="GET",route="/api/v1/shows/{show_id}",le="0.025"} 0`,
		`evently_http_request_duration_seconds_bucket{method="GET",route="/api/v1/shows/{show_id}",le="0.05"} 1`,
		`evently_http_requests_in_flight 1`,
		`evently_seat_locks_total{layer="redis",outcome="lost"} 1`,
		`evently_seat_locks_total{layer="postgres",outcome="won"} 0`, // before the first event
		`evently_holds_total{event="held"} 1`,
		`evently_holds_total{event="expired"} 1`,
		`evently_hold_release_delay_seconds_bucket{le="60"} 0`,
		`evently_hold_release_delay_seconds_bucket{le="120"} 1`,
		`evently_payments_total{outcome="late"} 1`,
		`evently_refunds_total 1`,
		`evently_waiting_room_admissions_total 25`,
		`evently_waiting_room_failures_total 1`,
		`evently_redis_breaker_state 2`,
		`evently_cron_runs_total{entry="cleanup",result="failed"} 1`,
		`evently_cron_runs_total{entry="cleanup",result="skipped"} 1`,
		`evently_cron_items_total{entry="cleanup"} 3`,
		`evently_cron_run_duration_seconds_count{entry="cleanup"} 1`,
	)
}

func TestMetrics_StreamsHaveNoDuration(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.Build{})
	m.RequestBegan()
	m.RequestEnded("GET", "/stream", 200, time.Hour, true)
	scraped := scrape(t, m)
	wantLines(t, scraped, `evently_http_requests_total{method="GET",route="/stream",status="200"} 1`)
	if strings.Contains(scraped, `evently_http_request_duration_seconds_count{method="GET",route="/stream"}`) {
		t.Error("the stream has a duration")
	}
}

func TestMetrics_UnknownMethodsAreOneSeries(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics(telemetry.Build{})
	for _, method := range []string{"BREW", "brew", "\xff", strings.Repeat("A", 1000)} {
		m.RequestBegan()
		m.RequestEnded(method, "none", 405, 0, false)
	}
	wantLines(t, scrape(t, m), `evently_http_requests_total{method="other",route="none",status="405"} 4`)
}

func TestMetricsHandler_ServesOnlyMetrics(t *testing.T) {
	t.Parallel()
	for request, status := range map[string]int{"GET /": 404, "GET /metrics/x": 404, "POST /metrics": 405} {
		method, path, _ := strings.Cut(request, " ")
		w := httptest.NewRecorder()
		telemetry.NewMetrics(telemetry.Build{}).Handler().ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != status {
			t.Errorf("%s: status %d, want %d", request, w.Code, status)
		}
	}
}
