package waitingroom

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"evently/internal/redisoutage"
)

// Worker runs the ticks of all rooms: an asynq server of the queue "waitingroom". Each instance
// has one; asynq gives a task to one of them.
type Worker struct {
	room      *Room
	server    *asynq.Server
	inspector *asynq.Inspector
	outage    *redisoutage.Watch
	log       *slog.Logger
}

// tickConcurrency is how many shows one instance ticks at a time.
const tickConcurrency = 16

// NewWorker gives a Worker over client, which is its own and is watched by outage: asynq polls several
// times a second and complains each time. The caller closes it after Stop.
func NewWorker(room *Room, client redis.UniversalClient, outage *redisoutage.Watch, log *slog.Logger) *Worker {
	w := &Worker{room: room, inspector: asynq.NewInspectorFromRedisClient(client), outage: outage, log: log}
	interval := room.options.AdmitInterval
	w.server = asynq.NewServerFromRedisClient(client, asynq.Config{
		Concurrency:              tickConcurrency,
		Queues:                   map[string]int{queueName: 1},
		TaskCheckInterval:        interval / 4,
		DelayedTaskCheckInterval: interval / 8,
		ShutdownTimeout:          5 * time.Second,
		ErrorHandler:             asynq.ErrorHandlerFunc(w.logFailure),
		Logger:                   asynqLogger{log: log, outage: w.outage},
		LogLevel:                 asynq.WarnLevel,
	})
	return w
}

// Start begins to work in goroutines of its own. It works through an outage of Redis.
func (w *Worker) Start() error {
	return w.server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		return w.room.traced(ctx, task, w.admit)
	}))
}

// Stop waits for ticks under way, a few seconds at most. A tick that was not done stays queued.
func (w *Worker) Stop() { w.server.Shutdown() }

// Ping tells whether the queue can be reached.
func (w *Worker) Ping() error { return w.server.Ping() }

// admit is the handler of one task: it ticks and schedules the next tick while anybody waits.
func (w *Worker) admit(ctx context.Context, task *asynq.Task) error {
	showID, due, err := parsePayload(task.Payload())
	if err != nil {
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	tick, err := w.room.Tick(ctx, showID)
	// asynq rounds to seconds, and clocks differ. A task that comes early used what was left of the
	// interval before; the next tick would then be itself, whose name is taken while it runs.
	for err == nil && tick.Waiting > 0 && w.room.nextTick(tick.At).Equal(due) {
		if err = sleep(ctx, due.Sub(tick.At)); err == nil {
			tick, err = w.room.Tick(ctx, showID)
		}
	}
	if err != nil {
		return revoke(err)
	}
	if tick.Waiting == 0 {
		return nil
	}
	if err := w.room.arm(ctx, showID, tick.At); err != nil {
		return revoke(err)
	}
	return nil
}

// revoke ends a failed task without a trace in asynq's archive: whoever polls, or the watchdog,
// schedules a new one.
func revoke(err error) error { return fmt.Errorf("%w: %w", err, asynq.RevokeTask) }

func parsePayload(payload []byte) (showID int64, due time.Time, err error) {
	show, at, ok := strings.Cut(string(payload), ":")
	showID, err = strconv.ParseInt(show, 10, 64)
	ms, dueErr := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || dueErr != nil {
		return 0, time.Time{}, fmt.Errorf("payload %q is not SHOW:DUE", payload)
	}
	return showID, time.UnixMilli(ms), nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// logFailure logs a tick that failed, unless all of Redis is known to be gone.
func (w *Worker) logFailure(ctx context.Context, task *asynq.Task, err error) {
	level := slog.LevelWarn
	if w.outage.Down() {
		level = slog.LevelDebug
	}
	w.log.Log(ctx, level, "a tick of a waiting room failed", "task", string(task.Payload()), "error", err)
}

// asynqLogger gives asynq's lines to slog.
type asynqLogger struct {
	log    *slog.Logger
	outage *redisoutage.Watch
}

func (l asynqLogger) Debug(args ...any) { say(l.log.Debug, args) }
func (l asynqLogger) Info(args ...any)  { say(l.log.Info, args) }
func (l asynqLogger) Warn(args ...any)  { say(l.unlessDown(l.log.Warn), args) }
func (l asynqLogger) Error(args ...any) { say(l.unlessDown(l.log.Error), args) }

// Fatal logs without ending the process: that is not a library's to decide.
func (l asynqLogger) Fatal(args ...any) { say(l.log.Error, args) }

// unlessDown gives the method to log with, or that for debug while Redis is known to be gone.
func (l asynqLogger) unlessDown(method func(string, ...any)) func(string, ...any) {
	if l.outage.Down() {
		return l.log.Debug
	}
	return method
}

func say(method func(string, ...any), args []any) { method("asynq says", "text", fmt.Sprint(args...)) }
