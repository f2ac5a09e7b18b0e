package telemetry

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

// Tracing creates OpenTelemetry spans and sends them by OTLP over HTTP. A nil Tracing does nothing.
type Tracing struct {
	provider *sdktrace.TracerProvider
}

// StartTracing returns a Tracing that sends to the endpoint of cfg, or nil if cfg has none. It does not connect.
func StartTracing(ctx context.Context, cfg config.Tracing, version string) (*Tracing, error) {
	if cfg.Endpoint == "" {
		return nil, nil //nolint:nilnil // a nil Tracing is valid
	}
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(cfg.TracesURL())}
	if headers := cfg.HeaderMap(); len(headers) > 0 {
		options = append(options, otlptracehttp.WithHeaders(headers))
	}
	exporter, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT: %w", err)
	}
	return NewTracing(sdktrace.NewBatchSpanProcessor(exporter), cfg, version), nil
}

// NewTracing returns a Tracing that passes its spans to processor.
func NewTracing(processor sdktrace.SpanProcessor, cfg config.Tracing, version string) *Tracing {
	return &Tracing{provider: sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(processor),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", cfg.ServiceName),
			attribute.String("service.version", version),
		)),
	)}
}

func (t *Tracing) Provider() trace.TracerProvider {
	if t == nil {
		return nil
	}
	return t.provider
}

// Queries returns the tracer of a database pool, or nil. Spans have the statement without its arguments.
func (t *Tracing) Queries() pgx.QueryTracer {
	if t == nil {
		return nil
	}
	return otelpgx.NewTracer(otelpgx.WithTracerProvider(t.provider))
}

// Close sends the remaining spans, until ctx is done.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the remaining spans: %w", err)
	}
	return nil
}
