package waitingroom

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"evently/internal/rediskit"
)

// Worker runs the ticks of all rooms with asynq. Each instance has one.
type Worker struct {
	room      *Room
	server    *asynq.Server
	inspector *asynq.Inspector
	log       *slog.Logger
}

const tickConcurrency = 16 // shows that one instance ticks at a time

// NewWorker returns a Worker of room.
func NewWorker(room *Room, log *slog.Logger) *Worker {
	w := &Worker{room: room, inspector: asynq.NewInspectorFromRedisClient(room.client), log: log}
	interval := room.options.AdmitInterval
	w.server = asynq.NewServerFromRedisClient(room.client, asynq.Config{
		Concurrency:              tickConcurrency,
		Queues:                   map[string]int{queueName: 1},
		TaskCheckInterval:        interval / 4,
		DelayedTaskCheckInterval: interval / 8,
		ShutdownTimeout:          5 * time.Second,
		ErrorHandler: asynq.ErrorHandlerFunc(func(ctx context.Context, task *asynq.Task, err error) {
			w.log.Log(ctx, levelOf(err), "waiting room tick failed", "task", string(task.Payload()), "error", err)
		}),
		Logger:   rediskit.NewAsynqLogger(log, room.client),
		LogLevel: asynq.WarnLevel,
	})
	return w
}

// Start starts to work, and continues through an outage of Redis.
func (w *Worker) Start() error {
	return w.server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		return w.room.traced(ctx, task, w.admit)
	}))
}

// Stop waits a few seconds for running ticks. One that was not completed stays queued.
func (w *Worker) Stop() { w.server.Shutdown() }

func (w *Worker) admit(ctx context.Context, task *asynq.Task) error {
	showID, due, err := parsePayload(task.Payload())
	if err != nil {
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	tick, err := w.room.Tick(ctx, showID)
	// A task may run early: asynq rounds to seconds. It waits, as the id of the next tick is its own.
	for err == nil && tick.Waiting > 0 && w.room.nextTick(tick.At).Equal(due) {
		if err = sleep(ctx, due.Sub(tick.At)); err == nil {
			tick, err = w.room.Tick(ctx, showID)
		}
	}
	if err == nil && tick.Waiting > 0 {
		err = w.room.arm(ctx, showID, tick.At)
	}
	if err != nil {
		// Kept out of asynq's archive: the next caller or the watchdog schedules a new task.
		return fmt.Errorf("%w: %w", err, asynq.RevokeTask)
	}
	return nil
}

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

func (w *Worker) Queue() (*asynq.QueueInfo, error) {
	queues, err := w.inspector.Queues() // asynq has no error for a queue that does not exist yet
	if err != nil {
		return nil, err
	}
	if !slices.Contains(queues, queueName) {
		return &asynq.QueueInfo{Queue: queueName}, nil
	}
	return w.inspector.GetQueueInfo(queueName)
}

func traceHeaders(ctx context.Context) map[string]string {
	headers := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, headers)
	return headers
}

// traced runs a task in a trace of its own, which links to the one that scheduled it.
func (r *Room) traced(ctx context.Context, task *asynq.Task, run func(context.Context, *asynq.Task) error) error {
	if r.options.Tracer == nil {
		return run(ctx, task)
	}
	from := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(task.Headers())))
	ctx, span := r.options.Tracer.Tracer("evently").Start(ctx, task.Type(),
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer), trace.WithLinks(trace.Link{SpanContext: from}))
	defer span.End()
	err := run(ctx, task)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
