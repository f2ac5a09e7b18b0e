package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"evently/internal/handler"
	"evently/internal/middleware"
)

// sink is a ResponseWriter that discards the body.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }

type noRecorder struct{}

func (noRecorder) RequestBegan()                                         {}
func (noRecorder) RequestEnded(string, string, int, time.Duration, bool) {}

// BenchmarkRequest measures the router and the middleware around a small handler.
func BenchmarkRequest(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // slog.DiscardHandler would format nothing
	routes, err := Routes(Handlers{Health: handler.NewHealth(nil)}, Options{
		Recorder: noRecorder{}, Log: log, LogSampling: middleware.LogSampling{Ratio: 1},
		Bodies:     middleware.NewBodies(1 << 20),
		RateLimits: middleware.NewRateLimits(nil, middleware.RateRules{}, log),
	})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", http.NoBody)
	w := &sink{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.header)
		w.status = 0
		routes.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}
