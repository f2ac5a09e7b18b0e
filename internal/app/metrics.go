package app

import (
	"context"
	"net"

	"evently/internal/server"
	"evently/internal/telemetry"
)

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

func (a *App) listenForMetrics(ctx context.Context) error {
	if a.cfg.Metrics.Addr == "" {
		return nil
	}
	listener, err := server.Listen(ctx, a.cfg.Metrics.Addr)
	if err != nil {
		return err
	}
	a.metricsServer = a.newServer(listener, a.metrics.Handler(), 0)
	return nil
}

// MetricsAddr returns the address of the metrics server, or nil.
func (a *App) MetricsAddr() net.Addr {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Addr()
}

// serveMetrics does not stop the service when it fails.
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

func (a *App) closeMetrics(ctx context.Context) error {
	if a.metricsServer == nil {
		return nil
	}
	return a.metricsServer.Shutdown(ctx)
}
