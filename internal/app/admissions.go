package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/redis/go-redis/v9"

	"evently/internal/config"
	"evently/internal/redisoutage"
	"evently/internal/waitingroom"
)

// admissions is what runs the waiting rooms of this instance: the worker that lets users in, and the
// hub of the event streams.
type admissions struct {
	client redis.UniversalClient // the worker's own
	worker *waitingroom.Worker
	hub    *waitingroom.Hub

	stop    context.CancelFunc
	running sync.WaitGroup
}

func newAdmissions(cfg config.Redis, rooms *waitingroom.Room, client redis.UniversalClient, outage *redisoutage.Watch, log *slog.Logger) (*admissions, error) {
	own, err := OpenRedis(cfg)
	if err != nil {
		return nil, err
	}
	own.AddHook(outage)
	return &admissions{
		client: own,
		worker: waitingroom.NewWorker(rooms, own, outage, log),
		hub:    waitingroom.NewHub(rooms, client, waitingroom.HubOptions{}, log),
	}, nil
}

// start begins to admit and to tell. It works through an outage of Redis.
func (a *admissions) start(ctx context.Context) error {
	if err := a.worker.Start(); err != nil {
		return err
	}
	ctx, a.stop = context.WithCancel(context.WithoutCancel(ctx))
	a.running.Go(func() { a.hub.Run(ctx) })
	return nil
}

// shutdown waits for ticks under way and ends the hub.
func (a *admissions) shutdown() {
	if a.stop == nil { // never started
		return
	}
	a.worker.Stop()
	a.stop()
	a.running.Wait()
}

// close closes the client of the worker. asynq may have done so already.
func (a *admissions) close() error {
	if err := a.client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return err
	}
	return nil
}

// Ping asks the queue's Redis for a sign of life, and reads the state of the queue.
func (a *admissions) Ping(ctx context.Context) error {
	if err := a.client.Ping(ctx).Err(); err != nil {
		return err
	}
	_, err := a.worker.Queue()
	return err
}
