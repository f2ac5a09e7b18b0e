package app

import (
	"context"
	"net"
	"runtime"

	"evently/internal/server"
	"evently/internal/telemetry"
)

// newMetrics returns the metrics of the process.
func newMetrics(o Options) *telemetry.Metrics {
	return telemetry.NewMetrics(telemetry.Build{Version: o.Version, Commit: o.Commit, GoVersion: runtime.Version()})
}

// watchStores adds the connection pools to the metrics.
func (a *App) watchStores() {
	a.metrics.WatchPostgres(a.pool.Stat)
	a.metrics.WatchRedis(a.redis.PoolStats, pinger{a.redis}.Ping)
}

// watchRooms adds the waiting rooms and their task queue to the metrics.
func (a *App) watchRooms() {
	a.metrics.WatchRooms(a.services.Rooms.Totals)
	a.metrics.WatchQueue(func() (telemetry.Queue, error) {
		q, err := a.rooms.worker.Queue()
		if err != nil {
			return telemetry.Queue{}, err
		}
		return telemetry.Queue{
			Name: q.Queue, Pending: q.Pending, Active: q.Active, Scheduled: q.Scheduled, Retry: q.Retry, Archived: q.Archived,
			ProcessedTotal: q.ProcessedTotal, FailedTotal: q.FailedTotal, Latency: q.Latency,
		}, nil
	})
}

// listenForMetrics creates the metrics server, if METRICS_ADDR is set.
func (a *App) listenForMetrics(ctx context.Context) error {
	if a.cfg.Metrics.Addr == "" {
		return nil
	}
	listener, err := server.ListenOn(ctx, a.cfg.Metrics.Addr)
	if err != nil {
		return err
	}
	a.metricsServer = server.New(listener, a.metrics.Handler(), a.limits(), a.log)
	return nil
}

// MetricsAddr returns the address of the metrics server, or nil.
func (a *App) MetricsAddr() net.Addr {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Addr()
}

// serveMetrics serves /metrics until closeMetrics, and then closes ended.
func (a *App) serveMetrics(ctx context.Context) (ended <-chan struct{}) {
	done := make(chan struct{})
	if a.metricsServer == nil {
		close(done)
		return done
	}
	a.log.InfoContext(ctx, "serving metrics", "address", a.MetricsAddr().String())
	go func() {
		defer close(done)
		// The service goes on without metrics.
		if err := a.metricsServer.Serve(); err != nil {
			a.log.ErrorContext(ctx, "metrics server failed", "error", err.Error())
		}
	}()
	return done
}

// closeMetrics shuts down the metrics server, if there is one.
func (a *App) closeMetrics(ctx context.Context) error {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Shutdown(ctx)
}
