package middleware

import (
	"net/http"

	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"evently/internal/domain"
)

// Trace creates a span for each request, in the trace of the caller if it sends a traceparent header.
func Trace(provider trace.TracerProvider) func(http.Handler) http.Handler {
	if provider == nil {
		return func(next http.Handler) http.Handler { return next }
	}
	tracer := provider.Tracer("evently")
	propagator := propagation.TraceContext{}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := propagator.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
			ctx, span := tracer.Start(ctx, shortMethod(r), trace.WithSpanKind(trace.SpanKindServer))
			response := chimiddleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				route, status := routeOf(r), statusOf(response)
				span.SetName(shortMethod(r) + " " + route)
				span.SetAttributes(
					attribute.String("http.request.method", shortMethod(r)),
					attribute.String("http.route", route),
					attribute.Int("http.response.status_code", status),
					attribute.String("evently.request_id", domain.RequestFrom(ctx).ID),
				)
				if status >= http.StatusInternalServerError {
					span.SetStatus(codes.Error, http.StatusText(status))
				}
				span.End()
			}()
			next.ServeHTTP(response, r.WithContext(ctx))
		})
	}
}
