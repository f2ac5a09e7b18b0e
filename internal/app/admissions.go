package app

import (
	"context"
	"log/slog"
	"sync"

	"evently/internal/waitingroom"
)

// admissions runs the waiting rooms of this instance: the worker that admits users, and the hub of the event
// streams.
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

// start starts the worker and the hub. They continue through an outage of Redis.
func (a *admissions) start(ctx context.Context) error {
	if err := a.worker.Start(); err != nil {
		return err
	}
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.running.Go(func() { a.hub.Run(ctx) })
	return nil
}

// shutdown waits for running ticks and ends the hub.
func (a *admissions) shutdown() {
	a.worker.Stop()
	a.stop()
	a.running.Wait()
}

// Ping reads the state of the queue.
func (a *admissions) Ping(context.Context) error {
	_, err := a.worker.Queue()
	return err
}
