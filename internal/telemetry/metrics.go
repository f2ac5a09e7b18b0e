// Package telemetry provides the log, the metrics and the traces of the process.
package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"evently/internal/domain"
	"evently/internal/service"
)

// Build identifies the binary.
type Build struct {
	Version, Commit, GoVersion string
}

// Metrics is a Prometheus registry with its collectors. It implements the recorder interfaces of the other
// packages. Labels never are ids or chosen by a client, so that the number of series is bounded.
type Metrics struct {
	registry *prometheus.Registry

	requests        *prometheus.CounterVec
	requestDuration *prometheus.HistogramVec
	inFlight        prometheus.Gauge

	seatLocks   *prometheus.CounterVec
	holds       *prometheus.CounterVec
	holdOverdue prometheus.Observer
	payments    *prometheus.CounterVec
	refunds     prometheus.Counter

	breaker        prometheus.Gauge
	roomAdmissions prometheus.Counter
	roomFailures   prometheus.Counter

	jobs        *prometheus.CounterVec
	jobDuration *prometheus.HistogramVec
	jobItems    *prometheus.CounterVec
}

// Buckets are in seconds.
var (
	requestBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	overdueBuckets = []float64{.1, 1, 5, 15, 30, 60, 120, 180, 300, 600, 1800}
	jobBuckets     = []float64{.005, .025, .1, .5, 1, 5, 15, 60}
)

// NewMetrics returns Metrics without those of the stores, which the Watch methods add.
func NewMetrics(build Build) *Metrics {
	registry := prometheus.NewRegistry()
	auto := promauto.With(registry)
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return auto.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels prometheus.Labels) prometheus.Gauge {
		return auto.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
	}
	histograms := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		return auto.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Metrics{
		registry: registry,
		requests: counters("evently_http_requests_total", "Completed requests.", "method", "route", "status"),
		requestDuration: histograms("evently_http_request_duration_seconds",
			"Time from the first byte of a request to the last of its response, without event streams.",
			requestBuckets, "method", "route"),
		inFlight: gauge("evently_http_requests_in_flight", "Requests that are being served.", nil),
		seatLocks: counters("evently_seat_locks_total",
			"Attempts to lock the seats of one booking, by layer (redis, postgres) and outcome (won, lost, refused, failed).",
			"layer", "outcome"),
		holds: counters("evently_holds_total", "Holds by event: held, confirmed, cancelled, expired.", "event"),
		holdOverdue: histograms("evently_hold_release_delay_seconds",
			"Time from the expiry of a hold to the release of its seats.", overdueBuckets).WithLabelValues(),
		payments: counters("evently_payments_total",
			"Charges by outcome: succeeded, declined, late (after the hold expired, refunded), failed.", "outcome"),
		refunds: counters("evently_refunds_total", "Payments that the provider has refunded.").WithLabelValues(),
		breaker: gauge("evently_redis_breaker_state",
			"State of the circuit breaker in front of Redis: 0 closed, 1 half open, 2 open.", nil),
		roomAdmissions: counters("evently_waiting_room_admissions_total",
			"Users admitted from a queue.").WithLabelValues(),
		roomFailures: counters("evently_waiting_room_failures_total",
			"Waiting room calls that failed because of Redis.").WithLabelValues(),
		jobs: counters("evently_cron_runs_total",
			"Job runs by entry and result: ok, failed, skipped.", "entry", "result"),
		jobDuration: histograms("evently_cron_run_duration_seconds", "Duration of a job run.", jobBuckets, "entry"),
		jobItems:    counters("evently_cron_items_total", "Items processed by jobs.", "entry"),
	}
	gauge("evently_build_info", "Always 1; the labels identify the binary.", prometheus.Labels{
		"version": build.Version, "commit": build.Commit, "goversion": build.GoVersion,
	}).Set(1)
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.preset()
	return m
}

// preset creates the series that alerts and graphs divide by, so that they are not absent at first.
func (m *Metrics) preset() {
	for _, layer := range []service.LockLayer{service.LockRedis, service.LockPostgres} {
		for _, outcome := range []service.LockOutcome{service.LockWon, service.LockLost, service.LockRefused, service.LockFailed} {
			m.seatLocks.WithLabelValues(string(layer), string(outcome))
		}
	}
	for _, event := range []domain.BookingEvent{domain.EventHeld, domain.EventConfirmed, domain.EventCancelled, domain.EventExpired} {
		m.holds.WithLabelValues(string(event))
	}
	for _, result := range []service.PaymentResult{service.PaymentSucceeded, service.PaymentDeclined, service.PaymentLate, service.PaymentFailed} {
		m.payments.WithLabelValues(string(result))
	}
}

// Handler serves GET /metrics.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, // an unavailable store must not hide the other metrics
		Registry:      m.registry,
	}))
	return mux
}

// RequestBegan counts a request as in flight.
func (m *Metrics) RequestBegan() { m.inFlight.Inc() }

// RequestEnded counts a request that ended. A stream has no duration.
func (m *Metrics) RequestEnded(method, route string, status int, took time.Duration, stream bool) {
	m.inFlight.Dec()
	method = boundedMethod(method)
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	if !stream {
		m.requestDuration.WithLabelValues(method, route).Observe(took.Seconds())
	}
}

func boundedMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}

// SeatLock counts an attempt to lock the seats of a booking.
func (m *Metrics) SeatLock(layer service.LockLayer, outcome service.LockOutcome) {
	m.seatLocks.WithLabelValues(string(layer), string(outcome)).Inc()
}

// Hold counts an event of a hold.
func (m *Metrics) Hold(event domain.BookingEvent) { m.holds.WithLabelValues(string(event)).Inc() }

// HoldReleased counts a hold that was released so long after its expiry.
func (m *Metrics) HoldReleased(overdue time.Duration) {
	m.holds.WithLabelValues(string(domain.EventExpired)).Inc()
	m.holdOverdue.Observe(overdue.Seconds())
}

// Payment counts a charge.
func (m *Metrics) Payment(result service.PaymentResult) {
	m.payments.WithLabelValues(string(result)).Inc()
}

// Refund counts a refund.
func (m *Metrics) Refund() { m.refunds.Inc() }

// RoomAdmitted counts users admitted out of a queue.
func (m *Metrics) RoomAdmitted(n int) { m.roomAdmissions.Add(float64(n)) }

// RoomUnavailable counts a waiting room call that failed because of Redis.
func (m *Metrics) RoomUnavailable() { m.roomFailures.Inc() }

// RedisBreaker sets the state of the circuit breaker: closed, half-open or open.
func (m *Metrics) RedisBreaker(state string) {
	values := map[string]float64{"closed": 0, "half-open": 1, "open": 2}
	m.breaker.Set(values[state])
}

// JobRan counts a run of a job and the items it processed.
func (m *Metrics) JobRan(entry, result string, count int, took time.Duration) {
	m.jobs.WithLabelValues(entry, result).Inc()
	m.jobDuration.WithLabelValues(entry).Observe(took.Seconds())
	m.jobItems.WithLabelValues(entry).Add(float64(count))
}

// JobSkipped counts a run that was skipped.
func (m *Metrics) JobSkipped(entry string) { m.jobs.WithLabelValues(entry, "skipped").Inc() }
