// Package jobs runs work that follows a commit, with asynq. A task only wakes the job up: what there is to do is
// in PostgreSQL, where the schedule finds it too.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hibiken/asynq"

	"evently/internal/rediskit"
)

const (
	queueName  = "jobs"
	refundTask = "payments:refund"
)

// Client enqueues tasks.
type Client struct{ queue *asynq.Client }

// NewClient returns a Client over redis, which the caller closes.
func NewClient(redis *rediskit.Client) *Client {
	return &Client{queue: asynq.NewClientFromRedisClient(redis)}
}

// WakeRefunds enqueues the refund task, unless it is in the queue.
func (c *Client) WakeRefunds(ctx context.Context) error {
	_, err := c.queue.EnqueueContext(ctx, asynq.NewTask(refundTask, nil),
		asynq.Queue(queueName), asynq.TaskID(refundTask), asynq.MaxRetry(0), asynq.Timeout(time.Minute))
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// Worker runs the jobs of one instance.
type Worker struct {
	server *asynq.Server
	mux    *asynq.ServeMux
}

// NewWorker returns a Worker over redis, which the caller closes. refund is the job that WakeRefunds wakes.
func NewWorker(redis *rediskit.Client, refund func(ctx context.Context) (int, error), log *slog.Logger) *Worker {
	mux := asynq.NewServeMux()
	mux.HandleFunc(refundTask, func(ctx context.Context, _ *asynq.Task) error {
		if _, err := refund(ctx); err != nil {
			return fmt.Errorf("%w: %w", err, asynq.RevokeTask) // the schedule runs it again
		}
		return nil
	})
	server := asynq.NewServerFromRedisClient(redis, asynq.Config{
		Concurrency:       1,
		Queues:            map[string]int{queueName: 1},
		TaskCheckInterval: time.Second,
		ShutdownTimeout:   5 * time.Second,
		ErrorHandler: asynq.ErrorHandlerFunc(func(ctx context.Context, task *asynq.Task, err error) {
			log.WarnContext(ctx, "job failed", "task", task.Type(), "error", err.Error())
		}),
		Logger:   rediskit.NewAsynqLogger(log, redis),
		LogLevel: asynq.WarnLevel,
	})
	return &Worker{server: server, mux: mux}
}

// Start begins to work in goroutines of its own. It continues through an outage of Redis.
func (w *Worker) Start() error { return w.server.Start(w.mux) }

// Stop waits a few seconds for a running job.
func (w *Worker) Stop() { w.server.Shutdown() }
