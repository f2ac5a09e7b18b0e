// Package tracing makes OpenTelemetry spans of what Evently does and sends them by OTLP over HTTP.
// Without an endpoint there is nothing of it: no provider, no hook, no cost.
package tracing

import (
	"context"
	"fmt"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"evently/internal/config"
)

// Tracing is a provider of spans and what must be done at its end. A nil Tracing traces nothing.
type Tracing struct {
	provider *sdktrace.TracerProvider
}

// Start gives a Tracing that sends to the endpoint of cfg, or nil when there is none. It does not
// connect yet: a collector that is away costs spans, not requests.
func Start(ctx context.Context, cfg config.Tracing, version string) (*Tracing, error) {
	if cfg.Endpoint == "" {
		return nil, nil //nolint:nilnil // nil traces nothing, which is what was asked for
	}
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(cfg.TracesURL())}
	if headers := cfg.HeaderMap(); len(headers) > 0 {
		options = append(options, otlptracehttp.WithHeaders(headers))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	return New(sdktrace.NewBatchSpanProcessor(exporter), cfg, version), nil
}

// New gives a Tracing whose spans go to processor.
func New(processor sdktrace.SpanProcessor, cfg config.Tracing, version string) *Tracing {
	return &Tracing{provider: sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(processor),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", cfg.ServiceName),
			attribute.String("service.version", version),
		)),
	)}
}

// Provider gives the spans' provider, or nil.
func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Queries gives the tracer of a database pool, or nil. A span has the statement and none of its
// values.
func (t *Tracing) Queries() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider))
}

// Close sends what was not sent yet, at most as long as ctx.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}
