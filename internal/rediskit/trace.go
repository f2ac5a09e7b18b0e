package rediskit

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// traced runs a command in a span, if ctx has one that is recorded. The span has the command's name and
// none of its arguments: those may be tokens.
func traced(ctx context.Context, name string, run func(ctx context.Context) error) error {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return run(ctx)
	}
	ctx, span := parent.TracerProvider().Tracer("evently").Start(ctx, "redis "+name,
		trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attribute.String("db.system.name", "redis")))
	defer span.End()
	err := run(ctx)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
