package telemetry

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// scrapeTimeout bounds the Redis calls of a scrape.
const scrapeTimeout = time.Second

// gauge is a number that is read at each scrape.
type gauge struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func newGauge(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc(name, help, labels, nil), prometheus.GaugeValue}
}

func newCounter(name, help string, labels ...string) gauge {
	return gauge{prometheus.NewDesc(name, help, labels, nil), prometheus.CounterValue}
}

func (g gauge) send(ch chan<- prometheus.Metric, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(g.desc, g.kind, value, labels...)
}

// reader is a collector of gauges.
type reader struct {
	gauges  []gauge
	collect func(ch chan<- prometheus.Metric)
}

// Describe implements prometheus.Collector.
func (r reader) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range r.gauges {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (r reader) Collect(ch chan<- prometheus.Metric) { r.collect(ch) }

// WatchPostgres adds the metrics of a connection pool.
func (m *Metrics) WatchPostgres(stat func() *pgxpool.Stat) {
	conns := newGauge("evently_postgres_connections", "Connections of the pool by state: idle, in_use, opening.", "state")
	limit := newGauge("evently_postgres_connections_max", "Maximum number of connections of the pool.")
	acquires := newCounter("evently_postgres_acquires_total", "Connections acquired from the pool.")
	waited := newCounter("evently_postgres_acquire_waits_total", "Acquires that had to wait because no connection was idle.")
	cancelled := newCounter("evently_postgres_acquire_cancelled_total", "Acquires that were cancelled while waiting.")
	duration := newCounter("evently_postgres_acquire_seconds_total", "Time spent acquiring connections.")
	opened := newCounter("evently_postgres_connections_opened_total", "Opened connections.")
	m.registry.MustRegister(reader{
		gauges: []gauge{conns, limit, acquires, waited, cancelled, duration, opened},
		collect: func(ch chan<- prometheus.Metric) {
			s := stat()
			conns.send(ch, float64(s.IdleConns()), "idle")
			conns.send(ch, float64(s.AcquiredConns()), "in_use")
			conns.send(ch, float64(s.ConstructingConns()), "opening")
			limit.send(ch, float64(s.MaxConns()))
			acquires.send(ch, float64(s.AcquireCount()))
			waited.send(ch, float64(s.EmptyAcquireCount()))
			cancelled.send(ch, float64(s.CanceledAcquireCount()))
			duration.send(ch, s.AcquireDuration().Seconds())
			opened.send(ch, float64(s.NewConnsCount()))
		},
	})
}

// WatchRedis adds the metrics of a client's pool, and whether Redis replies to a PING.
func (m *Metrics) WatchRedis(stat func() *redis.PoolStats, ping func(context.Context) error) {
	up := newGauge("evently_redis_up", "1 if Redis replied to the PING of this scrape, else 0.")
	conns := newGauge("evently_redis_connections", "Connections of the pool by state: idle, in_use.", "state")
	hits := newCounter("evently_redis_pool_hits_total", "Commands that used an idle connection.")
	misses := newCounter("evently_redis_pool_misses_total", "Commands that opened a connection.")
	timeouts := newCounter("evently_redis_pool_timeouts_total", "Commands that got no connection in time.")
	stale := newCounter("evently_redis_stale_connections_total", "Connections removed because they were broken or old.")
	m.registry.MustRegister(reader{
		gauges: []gauge{up, conns, hits, misses, timeouts, stale},
		collect: func(ch chan<- prometheus.Metric) {
			ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
			defer cancel()
			replied := 0.0
			if ping(ctx) == nil {
				replied = 1
			}
			up.send(ch, replied)
			s := stat()
			conns.send(ch, float64(s.IdleConns), "idle")
			conns.send(ch, float64(s.TotalConns-min(s.IdleConns, s.TotalConns)), "in_use")
			hits.send(ch, float64(s.Hits))
			misses.send(ch, float64(s.Misses))
			timeouts.send(ch, float64(s.Timeouts))
			stale.send(ch, float64(s.StaleConns))
		},
	})
}

// Rooms is the sum over the waiting rooms of all shows.
type Rooms struct {
	Waiting, Admitted int64
}

// WatchRooms adds the numbers of waiting and admitted users. They come from Redis, so they are the same on every instance,
// and absent while Redis is unavailable.
func (m *Metrics) WatchRooms(rooms func(context.Context) (Rooms, error)) {
	waiting := newGauge("evently_waiting_room_waiting", "Waiting users, over all shows and instances.")
	admitted := newGauge("evently_waiting_room_admitted", "Admitted users of shows with a queue, over all instances.")
	m.registry.MustRegister(reader{
		gauges: []gauge{waiting, admitted},
		collect: func(ch chan<- prometheus.Metric) {
			ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
			defer cancel()
			if now, err := rooms(ctx); err == nil {
				waiting.send(ch, float64(now.Waiting))
				admitted.send(ch, float64(now.Admitted))
			}
		},
	})
}

// Queue is the state of one asynq queue.
type Queue struct {
	Name                              string
	Pending, Active, Scheduled, Retry int
	Archived                          int
	ProcessedTotal, FailedTotal       int
	Latency                           time.Duration // age of the oldest due task
}

// WatchQueue adds the numbers of the task queue. They come from Redis, so they are the same on every instance, and absent
// while Redis is unavailable.
func (m *Metrics) WatchQueue(read func() (Queue, error)) {
	tasks := newGauge("evently_asynq_tasks", "Tasks in the queue by state.", "queue", "state")
	latency := newGauge("evently_asynq_latency_seconds", "Age of the oldest due task.", "queue")
	processed := newCounter("evently_asynq_processed_total", "Processed tasks, including failed ones.", "queue")
	failed := newCounter("evently_asynq_failed_total", "Tasks that failed.", "queue")
	m.registry.MustRegister(reader{
		gauges: []gauge{tasks, latency, processed, failed},
		collect: func(ch chan<- prometheus.Metric) {
			q, err := read()
			if err != nil {
				return
			}
			tasks.send(ch, float64(q.Pending), q.Name, "pending")
			tasks.send(ch, float64(q.Active), q.Name, "active")
			tasks.send(ch, float64(q.Scheduled), q.Name, "scheduled")
			tasks.send(ch, float64(q.Retry), q.Name, "retry")
			tasks.send(ch, float64(q.Archived), q.Name, "archived")
			latency.send(ch, q.Latency.Seconds(), q.Name)
			processed.send(ch, float64(q.ProcessedTotal), q.Name)
			failed.send(ch, float64(q.FailedTotal), q.Name)
		},
	})
}
