package waitingroom

import (
	"context"

	"github.com/hibiken/asynq"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceHeaders returns the headers of a task that is scheduled in a trace.
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
