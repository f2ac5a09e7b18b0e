// Package app is the composition root: it builds Evently from its configuration, runs it and shuts it down.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/jobs"
	"evently/internal/rediskit"
	"evently/internal/schedule"
	"evently/internal/server"
	"evently/internal/service"
	"evently/internal/telemetry"
)

const (
	cleanupTimeout  = time.Minute
	watchdogTimeout = 8 * time.Second
	// closeGrace is the time to close a store, also after SHUTDOWN_TIMEOUT.
	closeGrace = 2 * time.Second
)

// Options are the parts of an App.
type Options struct {
	Config   *config.Config
	Log      *slog.Logger
	Version  string
	Commit   string
	Tracing  *telemetry.Tracing // nil: as configured; the App closes it
	Listener net.Listener       // nil: on the configured port; the App closes it
}

// App is one instance of Evently.
type App struct {
	cfg      *config.Config
	log      *slog.Logger
	pool     *pgxpool.Pool
	redis    *rediskit.Client
	services *Services
	rooms    *admissions
	worker   *jobs.Worker
	health   *service.Health
	handler  http.Handler
	server   *server.Server
	metrics  *telemetry.Metrics
	tracing  *telemetry.Tracing // nil when nothing is traced

	metricsServer *server.Server // nil when METRICS_ADDR is not set
	measuring     sync.WaitGroup // while metricsServer serves
}

// New builds an App, and leaves nothing open if it fails. Redis may be away.
func New(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{cfg: o.Config, log: o.Log}
	listener := o.Listener
	if listener == nil {
		address := net.JoinHostPort(o.Config.HTTP.ListenAddr, strconv.Itoa(o.Config.HTTP.Port))
		if listener, err = server.Listen(ctx, address); err != nil {
			return nil, err
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, listener.Close(), a.closeMetrics(ctx), a.closeStores(ctx))
		}
	}()

	for _, warning := range o.Config.Warnings() {
		o.Log.WarnContext(ctx, warning) //nolint:sloglint // lines with one message are limited
	}
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
	a.metrics = telemetry.NewMetrics(telemetry.Build{
		Version: o.Version, Commit: o.Commit, GoVersion: runtime.Version(),
	})
	if a.redis, err = openRedis(o, a.metrics); err != nil {
		return nil, err
	}
	if err := checkRedis(ctx, a.redis, o.Log); err != nil {
		return nil, err
	}
	a.metrics.WatchPostgres(a.pool.Stat)
	a.metrics.WatchRedis(a.redis.PoolStats, redisInspector{a.redis}.Ping)
	if err := a.listenForMetrics(ctx); err != nil {
		return nil, err
	}
	if err := awaitDatabase(ctx, a.pool, o.Log); err != nil {
		return nil, err
	}
	if o.Config.IsProduction() {
		if err := warnOfPool(ctx, a.pool, o.Log); err != nil {
			return nil, err
		}
	}
	if err := prepareSchema(ctx, o.Config.Database, a.pool, o.Log); err != nil {
		return nil, err
	}
	if a.services, err = NewServices(o.Config, a.pool, a.redis, a.metrics, a.tracing, o.Log); err != nil {
		return nil, err
	}
	if err := a.ensureAdmin(ctx); err != nil {
		return nil, err
	}
	if _, err := a.services.Epochs.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("read which access tokens have ended: %w", err)
	}

	a.rooms = newAdmissions(a.services.Rooms, o.Log)
	a.worker = jobs.NewWorker(a.redis, a.services.Payments.Refund, o.Log)
	a.watchRooms()
	a.health = service.NewHealth(service.HealthDeps{
		Database: a.services.Store,
		Redis:    redisInspector{a.redis},
		Queue:    a.rooms,
		Schema:   schemaInspector{a.pool},
		Payments: a.services.provider.Name(),
		Version:  o.Version,
		Log:      o.Log,
		Now:      o.Config.Now,
	})
	if a.handler, err = a.routes(o.Version); err != nil {
		return nil, err
	}
	a.server = a.newServer(listener, a.handler, o.Config.HTTP.MaxConnections)
	return a, nil
}

func (a *App) newServer(listener net.Listener, routes http.Handler, maxConnections int) *server.Server {
	return server.New(listener, &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: a.cfg.HTTP.ReadHeaderTimeout,
		ReadTimeout:       a.cfg.HTTP.ReadTimeout,
		WriteTimeout:      a.cfg.HTTP.WriteTimeout,
		IdleTimeout:       a.cfg.HTTP.IdleTimeout,
		MaxHeaderBytes:    a.cfg.HTTP.MaxHeaderBytes,
	}, maxConnections, a.log)
}

func (a *App) ensureAdmin(ctx context.Context) error {
	email := a.cfg.Auth.AdminEmail
	if email == "" {
		return nil
	}
	warning, err := a.services.Auth.EnsureAdmin(ctx, email, a.cfg.Auth.AdminPassword.Reveal())
	if err != nil {
		return fmt.Errorf("create the admin of ADMIN_EMAIL: %w", err)
	}
	if warning != "" {
		a.log.WarnContext(ctx, "the account of ADMIN_EMAIL stays as it is", "reason", warning)
	}
	return nil
}

// Handler returns the routes, for tests without a listener.
func (a *App) Handler() http.Handler { return a.handler }

// Addr returns the address of the listener.
func (a *App) Addr() net.Addr { return a.server.Addr() }

// Services returns the use cases.
func (a *App) Services() *Services { return a.services }

func (a *App) jobs() []schedule.Entry {
	return []schedule.Entry{{
		Name:          "token-epochs",
		Spec:          "@every 2s", // so that all know within 5 s which tokens have ended
		Timeout:       2 * time.Second,
		Run:           a.services.Epochs.Refresh,
		AlreadyLogged: func(err error) bool { return errors.Is(err, domain.ErrDatabaseUnavailable) },
	}, {
		Name:    "cleanup",
		Spec:    a.cfg.Booking.CleanupSchedule,
		Timeout: cleanupTimeout,
		Run:     a.services.Bookings.ExpireDue,
	}, {
		Name:          "seat-lock-release",
		Spec:          "@every 2s",
		Timeout:       cleanupTimeout,
		Run:           a.services.Bookings.RetryReleases,
		AlreadyLogged: isRedisOutage,
	}, {
		Name:    "idempotency-purge",
		Spec:    "@every 10m",
		Timeout: cleanupTimeout,
		Run:     a.services.Bookings.PurgeKeys,
	}, {
		Name:    "payments",
		Spec:    "@every 10s",
		Timeout: cleanupTimeout,
		Run:     a.services.Payments.SettleOpen,
	}, {
		Name:    "refunds",
		Spec:    "@every 10s",
		Timeout: cleanupTimeout,
		Run:     a.services.Payments.Refund,
	}, {
		Name:          "waiting-room-watchdog",
		Spec:          "@every 10s",
		Timeout:       watchdogTimeout,
		Run:           a.services.Rooms.Watchdog,
		AlreadyLogged: isRedisOutage,
	}}
}

// Run serves until ctx is done and shuts down in order. It returns an error if anything failed or was interrupted.
func (a *App) Run(ctx context.Context) error {
	cron, err := schedule.Start(ctx, a.log, a.metrics, a.jobs()...)
	if err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	if err := a.rooms.start(ctx); err != nil {
		return errors.Join(err, cron.Stop(ctx), a.Close(ctx))
	}
	if err := a.worker.Start(); err != nil {
		a.rooms.shutdown()
		return errors.Join(err, cron.Stop(ctx), a.Close(ctx))
	}

	stopProfiles, err := serveProfiles(ctx, a.cfg.Service.PprofAddr)
	if err != nil {
		return errors.Join(err, a.shutdown(ctx, cron))
	}

	a.serveMetrics(ctx)
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
	err = errors.Join(err, a.shutdown(context.WithoutCancel(ctx), cron), stopProfiles(ctx))
	a.measuring.Wait()
	a.log.InfoContext(ctx, "stopped")
	return err
}

// Close closes an App that was not run.
func (a *App) Close(ctx context.Context) error {
	err := errors.Join(a.server.Shutdown(ctx), a.closeMetrics(ctx))
	a.health.Close(ctx)
	return errors.Join(err, a.closeStores(ctx))
}

// shutdown stops everything, from the outside in, within SHUTDOWN_TIMEOUT.
func (a *App) shutdown(ctx context.Context, cron *schedule.Schedule) error {
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Service.ShutdownTimeout)
	defer cancel()
	a.rooms.hub.Drain() // event streams would not end by themselves
	a.server.Drain(ctx)
	err := errors.Join(
		a.server.Shutdown(ctx),
		cron.Stop(ctx),
		a.closeMetrics(ctx), // last, so that a drain can be watched
	)
	a.rooms.shutdown()
	a.worker.Stop()
	a.health.Close(ctx)
	return errors.Join(err, a.closeStores(ctx))
}

func (a *App) closeStores(ctx context.Context) error {
	var err error
	if a.redis != nil {
		err = a.redis.Close()
	}
	if a.pool != nil {
		err = errors.Join(err, closePool(ctx, a.pool))
	}
	a.closeTracing(ctx)
	return err
}

func (a *App) closeTracing(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	if err := a.tracing.Close(ctx); err != nil {
		a.log.WarnContext(ctx, "spans lost", "error", err.Error())
	}
}

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
		return errors.New("database connections still in use")
	}
}
