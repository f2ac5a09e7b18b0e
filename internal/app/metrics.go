package app

import (
	"context"
	"net"
	"runtime"

	"evently/internal/metrics"
	"evently/internal/server"
)

func newMetrics(o Options) *metrics.Metrics {
	return metrics.New(metrics.Build{Version: o.Version, Commit: o.Commit, GoVersion: runtime.Version()})
}

// watchStores adds the connection pools to the metrics.
func (a *App) watchStores() {
	a.metrics.WatchPostgres(a.pool.Stat)
	a.metrics.WatchRedis(a.redis.PoolStats, pinger{a.redis}.Ping)
}

// watchRooms adds the waiting rooms and their queue to the metrics.
func (a *App) watchRooms() {
	a.metrics.WatchRooms(func(ctx context.Context) (metrics.Rooms, error) {
		waiting, admitted, err := a.services.Rooms.Totals(ctx)
		return metrics.Rooms{Waiting: waiting, Admitted: admitted}, err
	})
	a.metrics.WatchQueue(func() (metrics.Queue, error) {
		q, err := a.rooms.worker.Queue()
		return metrics.Queue{
			Name: q.Name, Pending: q.Pending, Active: q.Active, Scheduled: q.Scheduled, Retry: q.Retry, Archived: q.Archived,
			ProcessedTotal: q.Processed, FailedTotal: q.Failed, Latency: q.Latency,
		}, err
	})
}

// listenForMetrics makes the server of /metrics, if METRICS_ADDR asks for one.
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

// MetricsAddr is where /metrics is served, or nil.
func (a *App) MetricsAddr() net.Addr {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Addr()
}

// serveMetrics serves /metrics until it is shut down, and tells when it has ended.
func (a *App) serveMetrics(ctx context.Context) (ended <-chan struct{}) {
	done := make(chan struct{})
	if a.metricsServer == nil {
		close(done)
		return done
	}
	a.log.InfoContext(ctx, "serving metrics", "address", a.MetricsAddr().String())
	go func() {
		defer close(done)
		// That nobody can watch is no reason to stop booking.
		if err := a.metricsServer.Serve(); err != nil {
			a.log.ErrorContext(ctx, "metrics are not served any more", "error", err.Error())
		}
	}()
	return done
}

// closeMetrics ends the server of /metrics, if there is one.
func (a *App) closeMetrics(ctx context.Context) error {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Shutdown(ctx)
}
