package telemetry

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

const scrapeTimeout = time.Second // of the Redis calls of a scrape

type scrape struct {
	ch     chan<- prometheus.Metric
	labels prometheus.Labels
}

func (s scrape) gauge(name, help string, value float64) {
	s.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, s.labels), prometheus.GaugeValue, value)
}

func (s scrape) counter(name, help string, value float64) {
	s.ch <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, s.labels), prometheus.CounterValue, value)
}

func (s scrape) states(name, help string, values map[string]float64) {
	desc := prometheus.NewDesc(name, help, []string{"state"}, s.labels)
	for state, value := range values {
		s.ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, state)
	}
}

// collector calls a function at each scrape. It describes nothing: for that it would have to call it.
type collector func(s scrape)

func (collector) Describe(chan<- *prometheus.Desc) {}

func (c collector) Collect(ch chan<- prometheus.Metric) { c(scrape{ch: ch}) }

func (m *Metrics) WatchPostgres(stat func() *pgxpool.Stat) {
	m.registry.MustRegister(collector(func(s scrape) {
		pool := stat()
		s.states("evently_postgres_connections", "Connections of the pool by state: idle, in_use, opening.",
			map[string]float64{
				"idle":    float64(pool.IdleConns()),
				"in_use":  float64(pool.AcquiredConns()),
				"opening": float64(pool.ConstructingConns()),
			})
		s.gauge("evently_postgres_connections_max", "Maximum number of connections of the pool.",
			float64(pool.MaxConns()))
		s.counter("evently_postgres_acquires_total", "Connections acquired from the pool.",
			float64(pool.AcquireCount()))
		s.counter("evently_postgres_acquire_waits_total", "Acquires that had to wait because no connection was idle.",
			float64(pool.EmptyAcquireCount()))
		s.counter("evently_postgres_acquire_cancelled_total", "Acquires that were cancelled while waiting.",
			float64(pool.CanceledAcquireCount()))
		s.counter("evently_postgres_acquire_seconds_total", "Time spent acquiring connections.",
			pool.AcquireDuration().Seconds())
		s.counter("evently_postgres_connections_opened_total", "Opened connections.",
			float64(pool.NewConnsCount()))
	}))
}

// WatchRedis adds the metrics of a client's pool, and whether Redis replies to a PING.
func (m *Metrics) WatchRedis(stat func() *redis.PoolStats, ping func(context.Context) error) {
	m.registry.MustRegister(collector(func(s scrape) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		up := 0.0
		if ping(ctx) == nil {
			up = 1
		}
		s.gauge("evently_redis_up", "1 if Redis replied to the PING of this scrape, else 0.", up)
		pool := stat()
		s.states("evently_redis_connections", "Connections of the pool by state: idle, in_use.", map[string]float64{
			"idle":   float64(pool.IdleConns),
			"in_use": float64(pool.TotalConns - min(pool.IdleConns, pool.TotalConns)),
		})
		s.counter("evently_redis_pool_hits_total", "Commands that used an idle connection.", float64(pool.Hits))
		s.counter("evently_redis_pool_misses_total", "Commands that opened a connection.", float64(pool.Misses))
		s.counter("evently_redis_pool_timeouts_total", "Commands that got no connection in time.", float64(pool.Timeouts))
		s.counter("evently_redis_stale_connections_total", "Connections removed because they were broken or old.",
			float64(pool.StaleConns))
	}))
}

// WatchRooms adds the numbers of waiting and admitted users, which are absent while Redis is unavailable.
func (m *Metrics) WatchRooms(totals func(context.Context) (waiting, admitted int64, err error)) {
	m.registry.MustRegister(collector(func(s scrape) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		waiting, admitted, err := totals(ctx)
		if err != nil {
			return
		}
		s.gauge("evently_waiting_room_waiting", "Waiting users, over all shows and instances.", float64(waiting))
		s.gauge("evently_waiting_room_admitted", "Admitted users of shows with a queue, over all instances.",
			float64(admitted))
	}))
}

// Queue is the state of one asynq queue.
type Queue struct {
	Name                                        string
	Pending, Active, Scheduled, Retry, Archived int
	ProcessedTotal, FailedTotal                 int
	Latency                                     time.Duration // age of the oldest due task
}

// WatchQueue adds the numbers of the task queue, which are absent while Redis is unavailable.
func (m *Metrics) WatchQueue(read func() (Queue, error)) {
	m.registry.MustRegister(collector(func(s scrape) {
		q, err := read()
		if err != nil {
			return
		}
		s.labels = prometheus.Labels{"queue": q.Name}
		s.states("evently_asynq_tasks", "Tasks in the queue by state.", map[string]float64{
			"pending":   float64(q.Pending),
			"active":    float64(q.Active),
			"scheduled": float64(q.Scheduled),
			"retry":     float64(q.Retry),
			"archived":  float64(q.Archived),
		})
		s.gauge("evently_asynq_latency_seconds", "Age of the oldest due task.", q.Latency.Seconds())
		s.counter("evently_asynq_processed_total", "Processed tasks, including failed ones.", float64(q.ProcessedTotal))
		s.counter("evently_asynq_failed_total", "Tasks that failed.", float64(q.FailedTotal))
	}))
}
