package telemetry_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/telemetry"
)

// handle logs a message at a time through a new record, as slog does.
func handle(t *testing.T, h slog.Handler, ctx context.Context, at time.Time, level slog.Level, message string) { //nolint:revive // the context is an input
	t.Helper()
	if err := h.Handle(ctx, slog.NewRecord(at, level, message, 0)); err != nil {
		t.Fatal(err)
	}
}

func newLog(t *testing.T, format string) (*slog.Logger, *strings.Builder) {
	t.Helper()
	out := &strings.Builder{}
	return telemetry.NewLogger(&config.Config{Service: config.Service{LogFormat: format}}, out), out
}

func TestLogger_LimitsRepeatedWarnings(t *testing.T) {
	t.Parallel()
	log, out := newLog(t, "json")
	derived := log.With("job", "cleanup").Handler() // shares the limit
	start := time.Now()
	for i := range 1000 {
		h := log.Handler()
		if i%2 == 0 {
			h = derived
		}
		handle(t, h, t.Context(), start, slog.LevelWarn, "service unavailable")
		handle(t, h, t.Context(), start, slog.LevelError, "request failed")
	}
	handle(t, log.Handler(), t.Context(), start, slog.LevelWarn, "another")
	handle(t, log.Handler(), t.Context(), start.Add(time.Second), slog.LevelWarn, "service unavailable")
	for message, want := range map[string]int{"service unavailable": 11, "request failed": 1000, "another": 1} {
		if got := strings.Count(out.String(), message); got != want {
			t.Errorf("%q is logged %d times, want %d", message, got, want)
		}
	}
}

func TestLogger_AddsTheRequestID(t *testing.T) {
	t.Parallel()
	log, out := newLog(t, "json")
	ctx := domain.WithRequest(t.Context(), &domain.Request{ID: "r1"})
	log.With("a", 1).InfoContext(ctx, "in a request")
	log.Info("outside")
	var got []any
	for line := range strings.Lines(out.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		got = append(got, one["request_id"])
	}
	if len(got) != 2 || got[0] != "r1" || got[1] != nil {
		t.Errorf("request ids %v, want r1 and none", got)
	}
}

func TestLogger_TextHasNoColorsInFiles(t *testing.T) {
	t.Parallel()
	log, out := newLog(t, "text")
	log.Info("hello", "n", 1)
	if got := out.String(); !strings.Contains(got, "hello") || !strings.Contains(got, "n=1") || strings.Contains(got, "\x1b") {
		t.Errorf("logged %q", got)
	}
}
