package app

import (
	"context"
	"log/slog"
	"sync"

	"evently/internal/waitingroom"
)

type admissions struct {
	worker *waitingroom.Worker
	hub    *waitingroom.Hub

	stop    context.CancelFunc
	running sync.WaitGroup
}

func newAdmissions(rooms *waitingroom.Room, log *slog.Logger) *admissions {
	return &admissions{
		worker: waitingroom.NewWorker(rooms, log),
		hub:    waitingroom.NewHub(rooms, waitingroom.HubOptions{}, log),
	}
}

func (a *admissions) start(ctx context.Context) error {
	if err := a.worker.Start(); err != nil {
		return err
	}
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.running.Go(func() { a.hub.Run(ctx) })
	return nil
}

func (a *admissions) shutdown() {
	a.worker.Stop()
	a.stop()
	a.running.Wait()
}

func (a *admissions) Ping(context.Context) error {
	_, err := a.worker.Queue()
	return err
}
