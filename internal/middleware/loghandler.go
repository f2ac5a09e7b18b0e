package middleware

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// LogHandler adds the request id, and the trace id if there is one, to every line that is logged with the context of a request.
type LogHandler struct{ slog.Handler }

// Handle adds the request id and passes the line on.
func (h LogHandler) Handle(ctx context.Context, record slog.Record) error {
	// The access log writes its id itself: one line for each request is worth not to be made twice.
	if id := RequestID(ctx); id != "" && record.Message != AccessMessage {
		record = record.Clone()
		record.AddAttrs(slog.String(requestIDAttr, id))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record = record.Clone()
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// HandleAccess passes an access line on, by the short way if there is nothing to add to it.
func (h LogHandler) HandleAccess(ctx context.Context, line *AccessLine) error {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return h.Handle(ctx, line.Record())
	}
	return HandleAccess(ctx, h.Handler, line)
}

// WithAttrs keeps the request id on what is derived from h.
func (h LogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return LogHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the request id on what is derived from h.
func (h LogHandler) WithGroup(name string) slog.Handler {
	return LogHandler{h.Handler.WithGroup(name)}
}
