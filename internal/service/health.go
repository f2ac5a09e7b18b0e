package service

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"evently/internal/domain"
)

// HealthStatus is the status of a check, of the service or of the schema.
type HealthStatus string

// The statuses. The first three are those of checks and of the report.
const (
	HealthOK       HealthStatus = "OK"
	HealthDegraded HealthStatus = "DEGRADED" // booking works
	HealthDown     HealthStatus = "DOWN"
	HealthStarting HealthStatus = "STARTING"
	HealthDraining HealthStatus = "DRAINING"
	HealthMismatch HealthStatus = "MISMATCH"
)

// Pinger is a store that can be checked.
type Pinger interface {
	Ping(ctx context.Context) error
}

// SchemaState compares the schema of this binary with that of the database.
type SchemaState struct {
	Expected, Applied  int64 // versions of the migrations
	MissingTables      []string
	MissingTypes       []string
	MissingIndexes     []string
	MissingConstraints []string
}

// Fits reports whether the schema is that of this binary, no older and no newer.
func (s SchemaState) Fits() bool {
	return s.Applied == s.Expected && len(s.MissingTables)+len(s.MissingTypes)+len(s.MissingIndexes)+len(s.MissingConstraints) == 0
}

// RedisState is what a check of Redis finds.
type RedisState struct {
	MaxmemoryPolicy string // "" if Redis does not say
}

// RedisInspector checks Redis.
type RedisInspector interface {
	InspectRedis(ctx context.Context) (RedisState, error)
}

// SchemaInspector reads the schema of the database.
type SchemaInspector interface {
	InspectSchema(ctx context.Context) (SchemaState, error)
}

// HealthDeps are the dependencies of Health.
type HealthDeps struct {
	Database Pinger
	Redis    RedisInspector
	Queue    Pinger
	Schema   SchemaInspector
	Payments string // name of the payment provider
	Version  string
	Log      *slog.Logger // of failed checks; those of Redis and the queue are logged at debug
	Now      func() time.Time
}

// Timeouts of checks. Together they keep every response under 2 s.
const (
	checkTimeout  = 1200 * time.Millisecond // of one check
	reportTimeout = 1500 * time.Millisecond // of a report, which does not wait for checks that hang
	checkFreshFor = time.Second
)

// Health checks the service and its stores. Each store is checked at most once a second and never concurrently,
// however often Health is called.
type Health struct {
	database *probe[struct{}]
	redis    *probe[RedisState]
	queue    *probe[struct{}]
	schema   *probe[SchemaState]
	payments string
	version  string
	now      func() time.Time
	started  time.Time
	state    atomic.Value // HealthStatus: STARTING, then OK, then DRAINING
}

// NewHealth returns the Health of a service that is starting.
func NewHealth(deps HealthDeps) *Health {
	h := &Health{
		database: newProbe("database", ping(deps.Database), deps),
		redis:    newProbe("redis", deps.Redis.InspectRedis, deps).quiet(),
		queue:    newProbe("queue", ping(deps.Queue), deps).quiet(),
		schema:   newProbe("schema", deps.Schema.InspectSchema, deps),
		payments: deps.Payments,
		version:  deps.Version,
		now:      deps.Now,
		started:  deps.Now(),
	}
	h.state.Store(HealthStarting)
	return h
}

func ping(p Pinger) func(context.Context) (struct{}, error) {
	return func(ctx context.Context) (struct{}, error) { return struct{}{}, p.Ping(ctx) }
}

func (h *Health) SetReady() { h.state.Store(HealthOK) }

// SetDraining makes the service not ready: it is about to stop.
func (h *Health) SetDraining() { h.state.Store(HealthDraining) }

// Close waits for running checks until ctx is done.
func (h *Health) Close(ctx context.Context) {
	h.database.wait(ctx)
	h.redis.wait(ctx)
	h.queue.wait(ctx)
	h.schema.wait(ctx)
}

// HealthCheck is the result of one check.
type HealthCheck struct {
	Status  HealthStatus
	Latency time.Duration
}

// HealthReport has the results of all checks.
type HealthReport struct {
	Status   HealthStatus // OK, DEGRADED or DOWN
	Time     time.Time
	Version  string
	Payments string // name of the payment provider
	Uptime   time.Duration
	Database HealthCheck
	Redis    HealthCheck
	RedisHas RedisState
	Queue    HealthCheck
	Schema   HealthCheck
	State    *SchemaState // nil if the schema could not be read
}

// Report checks all stores concurrently. It takes at most 1.5 s.
func (h *Health) Report(ctx context.Context) HealthReport {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	database, redis, queue, schema := h.database.start(ctx), h.redis.start(ctx), h.queue.start(ctx), h.schema.start(ctx)

	now := h.now()
	report := HealthReport{
		Time: now, Version: h.version, Payments: h.payments, Uptime: now.Sub(h.started),
		Database: check(database.await(ctx)),
		Queue:    check(queue.await(ctx)),
	}
	seenRedis := redis.await(ctx)
	report.Redis, report.RedisHas = check(seenRedis), seenRedis.value
	seen := schema.await(ctx)
	report.Schema = check(seen)
	if seen.err == nil {
		report.State = &seen.value
		if !seen.value.Fits() {
			report.Schema.Status = HealthDown
		}
	}
	report.Status = overall(report)
	return report
}

// check converts a result. An overloaded database is not down: its load would move to other instances.
func check[T any](r result[T]) HealthCheck {
	status := HealthOK
	switch {
	case errors.Is(r.err, domain.ErrOverloaded):
		status = HealthDegraded
	case r.err != nil:
		status = HealthDown
	}
	return HealthCheck{Status: status, Latency: r.took}
}

func overall(r HealthReport) HealthStatus {
	if r.Database.Status == HealthDown {
		return HealthDown
	}
	for _, c := range []HealthCheck{r.Database, r.Redis, r.Queue, r.Schema} {
		if c.Status != HealthOK {
			return HealthDegraded
		}
	}
	return HealthOK
}

// Ready returns OK if this instance can serve, or STARTING, DRAINING or DOWN.
func (h *Health) Ready(ctx context.Context) HealthStatus {
	if state, _ := h.state.Load().(HealthStatus); state != HealthOK {
		return state
	}
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if check(h.database.start(ctx).await(ctx)).Status == HealthDown {
		return HealthDown
	}
	return HealthOK
}

// Schema compares the schemas: OK, MISMATCH, or DOWN if the database cannot be read, in which case the state has
// only the expected version.
func (h *Health) Schema(ctx context.Context) (HealthStatus, SchemaState) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	seen := h.schema.start(ctx).await(ctx)
	switch {
	case seen.err != nil:
		return HealthDown, seen.value
	case !seen.value.Fits():
		return HealthMismatch, seen.value
	default:
		return HealthOK, seen.value
	}
}
