package service

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"evently/internal/domain"
)

// HealthStatus is how well something does.
type HealthStatus string

// How the service and what it needs may do. The first three are those of checks and of the whole
// report; the others are why an instance wants no traffic or the schema does not fit.
const (
	HealthOK       HealthStatus = "OK"
	HealthDegraded HealthStatus = "DEGRADED" // booking goes on
	HealthDown     HealthStatus = "DOWN"
	HealthStarting HealthStatus = "STARTING"
	HealthDraining HealthStatus = "DRAINING"
	HealthMismatch HealthStatus = "MISMATCH"
)

// Pinger is a store that can be asked for a sign of life.
type Pinger interface {
	Ping(ctx context.Context) error
}

// SchemaState compares the schema that this binary needs with that of the database.
type SchemaState struct {
	Expected, Applied  int64 // versions of the migrations
	MissingTables      []string
	MissingTypes       []string
	MissingIndexes     []string
	MissingConstraints []string
}

// Fits reports whether the schema is the one that this binary was built for, no older and no newer.
func (s SchemaState) Fits() bool {
	return s.Applied == s.Expected && len(s.MissingTables)+len(s.MissingTypes)+len(s.MissingIndexes)+len(s.MissingConstraints) == 0
}

// SchemaInspector looks at the schema of the database.
type SchemaInspector interface {
	InspectSchema(ctx context.Context) (SchemaState, error)
}

// HealthDeps is what Health watches.
type HealthDeps struct {
	Database Pinger
	Redis    Pinger
	Queue    Pinger
	Schema   SchemaInspector
	Version  string
	Log      *slog.Logger // hears of checks that fail; of Redis and the queue at debug alone
	Now      func() time.Time
}

// Bounds of checks. Together they keep every answer under 2 s.
const (
	checkTimeout  = 1200 * time.Millisecond // what a check is given
	reportTimeout = 1500 * time.Millisecond // when a report stops waiting for those that hang
	checkFreshFor = time.Second
)

// Health tells how the service does. However often it is asked, each store is asked once a second
// at most, and never twice at the same time.
type Health struct {
	database *probe[struct{}]
	redis    *probe[struct{}]
	queue    *probe[struct{}]
	schema   *probe[SchemaState]
	version  string
	now      func() time.Time
	started  time.Time
	state    atomic.Value // HealthStatus: STARTING, then OK, then DRAINING
}

// NewHealth gives a Health of a service that is starting.
func NewHealth(deps HealthDeps) *Health {
	h := &Health{
		database: newProbe("database", ping(deps.Database), deps),
		redis:    newProbe("redis", ping(deps.Redis), deps).quiet(),
		queue:    newProbe("queue", ping(deps.Queue), deps).quiet(),
		schema:   newProbe("schema", deps.Schema.InspectSchema, deps),
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

// SetReady tells that the service wants traffic now.
func (h *Health) SetReady() { h.state.Store(HealthOK) }

// SetDraining tells that the service wants no more traffic: it is about to stop.
func (h *Health) SetDraining() { h.state.Store(HealthDraining) }

// Close waits for checks that still run, at most as long as ctx.
func (h *Health) Close(ctx context.Context) {
	h.database.wait(ctx)
	h.redis.wait(ctx)
	h.queue.wait(ctx)
	h.schema.wait(ctx)
}

// HealthCheck is what one check found.
type HealthCheck struct {
	Status  HealthStatus
	Latency time.Duration
}

// HealthReport is the whole picture.
type HealthReport struct {
	Status   HealthStatus // OK, DEGRADED or DOWN
	Time     time.Time
	Version  string
	Uptime   time.Duration
	Database HealthCheck
	Redis    HealthCheck
	Queue    HealthCheck
	Schema   HealthCheck
	State    *SchemaState // nil when the schema could not be looked at
}

// Report asks all the stores at once. It takes at most 1.5 s, whatever hangs.
func (h *Health) Report(ctx context.Context) HealthReport {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	// All are started before the first is waited for.
	database, redis, queue, schema := h.database.start(ctx), h.redis.start(ctx), h.queue.start(ctx), h.schema.start(ctx)

	now := h.now()
	report := HealthReport{
		Time: now, Version: h.version, Uptime: now.Sub(h.started),
		Database: check(database.await(ctx)),
		Redis:    check(redis.await(ctx)),
		Queue:    check(queue.await(ctx)),
	}
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

// check is the short form of a result. A database that is merely busy is not down: to take the
// instance out of service would send its load to the others.
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

// overall: without the database nothing works; without the rest, and with a schema that differs,
// the worst is slow or partial.
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

// Ready tells whether this instance wants traffic: OK, or STARTING, DRAINING or DOWN.
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

// Schema compares the schemas: OK, MISMATCH, or DOWN when the database cannot be asked, which
// leaves only the expected version in the state.
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
