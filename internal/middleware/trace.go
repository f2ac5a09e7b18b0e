package middleware

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Trace makes one span of each request, behind Identify, named by the pattern of its route. A caller's
// traceparent makes it part of the caller's trace. Without a provider it is not there at all.
func Trace(provider trace.TracerProvider) func(http.Handler) http.Handler {
	if provider == nil {
		return func(next http.Handler) http.Handler { return next }
	}
	tracer := provider.Tracer("evently")
	propagator := propagation.TraceContext{}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			ctx, span := tracer.Start(ctx, r.Method, trace.WithSpanKind(trace.SpanKindServer))
			wrapped := watched(w)
			defer func() {
				route, status := routeOf(r), wrapped.Status()
				span.SetName(r.Method + " " + route)
				span.SetAttributes(
					attribute.String("http.request.method", r.Method),
					attribute.String("http.route", route),
					attribute.Int("http.response.status_code", status),
					attribute.String("evently.request_id", RequestID(ctx)),
				)
				if status >= http.StatusInternalServerError {
					span.SetStatus(codes.Error, http.StatusText(status))
				}
				span.End()
			}()
			r = r.WithContext(ctx)
			next.ServeHTTP(wrapped, r)
		})
	}
}
