package app

import (
	"context"
	"net"

	"evently/internal/server"
	"evently/internal/telemetry"
)

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
	listener, err := server.Listen(ctx, a.cfg.Metrics.Addr)
	if err != nil {
		return err
	}
	a.metricsServer = a.newServer(listener, a.metrics.Handler())
	return nil
}

// MetricsAddr returns the address of the metrics server, or nil.
func (a *App) MetricsAddr() net.Addr {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Addr()
}

// serveMetrics serves /metrics until closeMetrics. Without it the service goes on.
func (a *App) serveMetrics(ctx context.Context) {
	if a.metricsServer == nil {
		return
	}
	a.log.InfoContext(ctx, "serving metrics", "address", a.MetricsAddr().String())
	a.measuring.Go(func() {
		if err := a.metricsServer.Serve(); err != nil {
			a.log.ErrorContext(ctx, "metrics server failed", "error", err.Error())
		}
	})
}

// closeMetrics shuts down the metrics server, if there is one.
func (a *App) closeMetrics(ctx context.Context) error {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Shutdown(ctx)
}
