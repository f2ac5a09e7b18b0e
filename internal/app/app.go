// Package app puts Evently together: what is made of the configuration, what runs, and in
// which order it all ends.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"evently/internal/config"
	"evently/internal/redisoutage"
	"evently/internal/schedule"
	"evently/internal/server"
	"evently/internal/service"
	"evently/internal/telemetry"
)

const (
	// purgeSchedule is when answers that are too old to be given again are removed.
	purgeSchedule = "@every 10m"
	// releaseSchedule is when seat locks are tried again that Redis did not release when asked.
	releaseSchedule = "@every 2s"
	// paymentsSchedule is when the provider is asked about payments that were left open.
	paymentsSchedule = "@every 10s"
	// refundsSchedule is when refunds are carried out whose wake-up was lost, or that failed before.
	refundsSchedule = "@every 10s"
	// watchdogSchedule is when rooms are looked at whose next tick was lost and of which nobody asks.
	watchdogSchedule = "@every 10s"
	watchdogTimeout  = 8 * time.Second
	// cleanupTimeout bounds one run of the cleanup.
	cleanupTimeout = time.Minute
	// closeGrace is what the stores get to close when all the time of the shutdown is used up.
	closeGrace = 2 * time.Second
)

// Options are what an App is made of.
type Options struct {
	Config  *config.Config
	Log     *slog.Logger
	Version string
	Commit  string
	// Tracing takes the spans; nil goes by the configuration. The App owns it.
	Tracing *telemetry.Tracing
	// Listener is where to serve; nil takes the port of the configuration. The App owns it.
	Listener net.Listener
}

// App is a whole Evently that serves when it is run.
type App struct {
	cfg      *config.Config
	log      *slog.Logger
	pool     *pgxpool.Pool
	redis    redis.UniversalClient
	services *Services
	rooms    *admissions
	health   *service.Health
	handler  http.Handler
	server   *server.Server
	metrics  *telemetry.Metrics
	tracing  *telemetry.Tracing // nil when nothing is traced
	outage   *redisoutage.Watch

	metricsServer *server.Server // nil when METRICS_ADDR is not set
}

// New takes the port, connects to the database, brings its schema up to date and puts everything
// together. A port that is taken, a database that does not answer within 10 s and a schema that
// does not fit are errors, and leave nothing open. Redis may come later, or never.
func New(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{cfg: o.Config, log: o.Log}
	listener := o.Listener
	if listener == nil {
		if listener, err = server.Listen(ctx, o.Config.HTTP.Port); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, listener.Close(), a.closeMetrics(ctx), a.closeStores(ctx))
		}
	}()

	if o.Config.Auth.Generated {
		o.Log.WarnContext(ctx, "JWT_SECRET is not set: access tokens end with this process")
	}
	if a.tracing = o.Tracing; a.tracing == nil {
		if a.tracing, err = telemetry.StartTracing(ctx, o.Config.Tracing, o.Version); err != nil {
			return nil, err
		}
	}
	if a.pool, err = OpenPostgres(ctx, o.Config.Database, a.tracing.Queries()); err != nil {
		return nil, err
	}
	if a.redis, err = OpenRedis(o.Config.Redis); err != nil {
		return nil, err
	}
	if err := a.tracing.WatchRedis(a.redis); err != nil {
		return nil, fmt.Errorf("trace Redis: %w", err)
	}
	a.outage = redisoutage.New(o.Log)
	a.redis.AddHook(a.outage)
	a.metrics = a.newMetrics(o)
	if err := a.listenForMetrics(ctx); err != nil {
		return nil, err
	}
	if err := awaitDatabase(ctx, a.pool, o.Log); err != nil {
		return nil, err
	}
	if err := prepareSchema(ctx, o.Config.Database, a.pool, o.Log); err != nil {
		return nil, err
	}
	if a.services, err = NewServices(o.Config, a.pool, a.redis, a.outage, a.metrics, a.tracing, o.Log); err != nil {
		return nil, err
	}
	if err := a.ensureAdmin(ctx); err != nil {
		return nil, err
	}

	if a.rooms, err = newAdmissions(o.Config.Redis, a.services.Rooms, a.redis, a.outage, o.Log); err != nil {
		return nil, err
	}
	a.watchRooms()
	a.health = service.NewHealth(service.HealthDeps{
		Database: a.services.Store,
		Redis:    redisPinger{a.redis},
		Queue:    a.rooms,
		Schema:   schemaInspector{a.pool},
		Version:  o.Version,
		Log:      o.Log,
		Now:      o.Config.Now,
	})
	if a.handler, err = a.routes(o.Version); err != nil {
		return nil, err
	}
	a.server = server.New(listener, a.handler, a.limits(), o.Log)
	return a, nil
}

// limits gives what a client may cost.
func (a *App) limits() server.Limits {
	return server.Limits{
		ReadHeaderTimeout: a.cfg.HTTP.ReadHeaderTimeout,
		ReadTimeout:       a.cfg.HTTP.ReadTimeout,
		WriteTimeout:      a.cfg.HTTP.WriteTimeout,
		IdleTimeout:       a.cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    a.cfg.HTTP.MaxHeaderBytes,
	}
}

// ensureAdmin sees to the administrator of the configuration, if there is one.
func (a *App) ensureAdmin(ctx context.Context) error {
	email := a.cfg.Auth.AdminEmail
	if email == "" {
		return nil
	}
	if err := a.services.Auth.EnsureAdmin(ctx, email, a.cfg.Auth.AdminPassword.Reveal()); err != nil {
		return fmt.Errorf("make sure of the admin in ADMIN_EMAIL: %w", err)
	}
	return nil
}

// Handler gives the routes, for tests that need no listener.
func (a *App) Handler() http.Handler { return a.handler }

// Addr is where the App listens.
func (a *App) Addr() net.Addr { return a.server.Addr() }

// Services gives the use cases that the App serves.
func (a *App) Services() *Services { return a.services }

// jobs are what runs by the clock.
func (a *App) jobs() []schedule.Entry {
	return []schedule.Entry{{
		Name:    "cleanup",
		Spec:    a.cfg.Booking.CleanupSchedule,
		Timeout: cleanupTimeout,
		Run:     a.services.Bookings.ExpireDue,
	}, {
		Name:          "seat-lock-release",
		Spec:          releaseSchedule,
		Timeout:       cleanupTimeout,
		Run:           a.services.Bookings.RetryReleases,
		AlreadyLogged: a.toldOfRedis,
	}, {
		Name:    "idempotency-purge",
		Spec:    purgeSchedule,
		Timeout: cleanupTimeout,
		Run:     a.services.Bookings.PurgeKeys,
	}, {
		Name:    "payments",
		Spec:    paymentsSchedule,
		Timeout: cleanupTimeout,
		Run:     a.services.Payments.SettleOpen,
	}, {
		Name:    "refunds",
		Spec:    refundsSchedule,
		Timeout: cleanupTimeout,
		Run:     a.services.Payments.Refund,
	}, {
		Name:          "waiting-room-watchdog",
		Spec:          watchdogSchedule,
		Timeout:       watchdogTimeout,
		Run:           a.services.Rooms.Watchdog,
		AlreadyLogged: a.toldOfRedis,
	}}
}

// Run serves until ctx is done, and then ends everything in order: it tells that it is not ready,
// finishes the requests and the jobs that run, and closes the stores. It gives nil when that went
// well, and an error when serving failed or something had to be broken off. It is called once.
func (a *App) Run(ctx context.Context) error {
	jobs, err := schedule.Start(ctx, a.log, a.metrics, a.jobs()...)
	if err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	if err := a.rooms.start(ctx); err != nil {
		return errors.Join(err, jobs.Stop(ctx), a.Close(ctx))
	}

	stopProfiles, err := serveProfiles(ctx, a.cfg.Service.PprofAddr)
	if err != nil {
		return errors.Join(err, a.shutdown(ctx, jobs))
	}

	measured := a.serveMetrics(ctx)
	served := make(chan error, 1)
	go func() { served <- a.server.Serve() }()
	a.health.SetReady()
	a.log.InfoContext(ctx, "serving", "address", a.Addr().String())

	select {
	case err = <-served:
		a.health.SetDraining()
	case <-ctx.Done():
		a.log.InfoContext(ctx, "stopping")
		a.health.SetDraining()
		select {
		case <-time.After(a.cfg.Service.DrainDelay):
		case err = <-served:
		}
	}
	err = errors.Join(err, a.shutdown(context.WithoutCancel(ctx), jobs), stopProfiles(ctx))
	<-measured
	a.log.InfoContext(ctx, "stopped")
	return err
}

// Close ends an App that was never run.
func (a *App) Close(ctx context.Context) error {
	err := errors.Join(a.server.Shutdown(ctx), a.closeMetrics(ctx))
	a.health.Close(ctx)
	return errors.Join(err, a.closeStores(ctx))
}

// shutdown ends what runs, from the outside in, within SHUTDOWN_TIMEOUT.
func (a *App) shutdown(ctx context.Context, jobs *schedule.Schedule) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Service.ShutdownTimeout)
	defer cancel()
	a.rooms.hub.Drain() // event streams would not end by themselves
	err := errors.Join(
		a.server.Shutdown(ctx),
		jobs.Stop(ctx),
		a.closeMetrics(ctx), // last, so that a drain can be watched
	)
	a.rooms.shutdown()
	a.health.Close(ctx)
	return errors.Join(err, a.closeStores(ctx))
}

// closeStores closes Redis and then the pool, as far as they were opened.
func (a *App) closeStores(ctx context.Context) error {
	var err error
	if a.rooms != nil {
		err = a.rooms.close()
	}
	if a.redis != nil {
		err = errors.Join(err, a.redis.Close())
	}
	if a.pool != nil {
		err = errors.Join(err, closePool(ctx, a.pool))
	}
	a.closeTracing(ctx)
	return err
}

// closeTracing sends the last spans. That their collector is away is no fault of this process.
func (a *App) closeTracing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	if err := a.tracing.Close(ctx); err != nil {
		a.log.WarnContext(ctx, "spans were lost", "error", err.Error())
	}
}

// closePool closes the pool, which waits for every connection to come back. A request that was
// broken off gives its own back in a moment; that moment is not without end.
func closePool(ctx context.Context, pool *pgxpool.Pool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		pool.Close()
		close(closed)
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return errors.New("connections to the database were still in use")
	}
}
