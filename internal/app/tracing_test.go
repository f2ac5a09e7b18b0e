package app_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"evently/internal/app"
	"evently/internal/telemetry"
)

const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersParent = "00-" + callersTrace + "-b7ad6b7169203331-01"
)

func startTraced(t testing.TB, settings ...string) (*boxOffice, *tracetest.InMemoryExporter) {
	t.Helper()
	spans := tracetest.NewInMemoryExporter()
	cfg := configure(t, settings...)
	return boxOfficeOn(t, startWith(t, cfg, func(o *app.Options) {
		o.Tracing = telemetry.NewTracing(sdktrace.NewSimpleSpanProcessor(spans), cfg.Tracing, "test")
	})), spans
}

// named returns the first span with the name and, unless it is "", the trace id.
func named(spans tracetest.SpanStubs, name, traceID string) (tracetest.SpanStub, bool) {
	i := slices.IndexFunc(spans, func(s tracetest.SpanStub) bool {
		return s.Name == name && (traceID == "" || s.SpanContext.TraceID().String() == traceID)
	})
	if i < 0 {
		return tracetest.SpanStub{}, false
	}
	return spans[i], true
}

func TestTracing_RequestIsOneTraceWithQueriesAndRedisCalls(t *testing.T) {
	t.Parallel()
	b, exporter := startTraced(t)
	token := b.user(t)
	b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: token,
		header: map[string]string{"traceparent": callersParent},
		body:   map[string]any{"show_id": b.show, "seat_ids": b.seats[:1]}}).want(t, http.StatusOK, "")

	spans := exporter.GetSpans()
	server, ok := named(spans, "POST /api/v1/bookings/lock", callersTrace)
	if !ok {
		t.Fatalf("no span of the request in %d spans", len(spans))
	}
	if server.SpanKind != trace.SpanKindServer || server.Parent.SpanID().String() != "b7ad6b7169203331" {
		t.Errorf("the span of the request is %v with the parent %s", server.SpanKind, server.Parent.SpanID())
	}
	servers, known := 0, map[trace.SpanID]bool{}
	for _, span := range spans {
		known[span.SpanContext.SpanID()] = true
	}
	kinds := map[string]int{}
	for _, span := range spans {
		if span.SpanContext.TraceID().String() != callersTrace {
			continue
		}
		if span.SpanKind == trace.SpanKindServer {
			servers++
		} else if !known[span.Parent.SpanID()] {
			t.Errorf("%s has an unknown parent", span.Name)
		}
		for _, attribute := range span.Attributes {
			if attribute.Key == "db.system" || attribute.Key == "db.system.name" {
				kinds[attribute.Value.AsString()]++
			}
			if strings.Contains(attribute.Value.String(), token) || strings.Contains(attribute.Value.String(), "@example.com") {
				t.Errorf("%s has %s=%s", span.Name, attribute.Key, attribute.Value.String())
			}
		}
	}
	if servers != 1 {
		t.Errorf("%d spans of the request, want 1", servers)
	}
	if kinds["postgresql"] == 0 || kinds["redis"] == 0 {
		t.Errorf("the trace has spans of %v, want of both stores", kinds)
	}
	for _, line := range b.logged(t, "request") {
		if line["route"] == "/api/v1/bookings/lock" && line["trace_id"] != callersTrace {
			t.Errorf("the log line has the trace %v", line["trace_id"])
		}
	}
}

func TestTracing_TickLinksToTheWaitingRequest(t *testing.T) {
	t.Parallel()
	b, exporter := startTraced(t, "MAX_CONCURRENT_USERS=1")
	b.lock(t, b.user(t), b.seats[0]).want(t, http.StatusOK, "")
	b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: b.user(t),
		header: map[string]string{"traceparent": callersParent},
		body:   map[string]any{"show_id": b.show, "seat_ids": b.seats[1:2]}}).want(t, http.StatusTooManyRequests, "waiting_room")

	eventually(t, "a tick that links to the request", func() bool {
		return slices.ContainsFunc(exporter.GetSpans(), func(span tracetest.SpanStub) bool {
			return span.SpanKind == trace.SpanKindConsumer && len(span.Links) == 1 &&
				span.Links[0].SpanContext.TraceID().String() == callersTrace &&
				span.SpanContext.TraceID().String() != callersTrace
		})
	})
}

func TestTracing_IsOffWithoutAnEndpoint(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.send(t, request{path: "/api/v1/shows", header: map[string]string{"traceparent": callersParent}}).want(t, http.StatusOK, "")
	for _, line := range i.logged(t, "request") {
		if id, traced := line["trace_id"]; traced {
			t.Errorf("the log line has the trace %v", id)
		}
	}
	if none, err := telemetry.StartTracing(t.Context(), i.cfg.Tracing, "test"); none != nil || err != nil {
		t.Errorf("tracing is %v, %v", none, err)
	}
}
