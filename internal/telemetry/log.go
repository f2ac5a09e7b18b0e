package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/lmittmann/tint"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/term"
	"golang.org/x/time/rate"

	"evently/internal/config"
	"evently/internal/domain"
)

// NewLogger returns the logger of the process. Lines that are logged with the context of a request carry its
// request id, and its trace id if it is traced. Repeated warnings are limited.
func NewLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	return slog.New(logHandler{Handler: newLineHandler(cfg, w), warnings: &sync.Map{}})
}

func newLineHandler(cfg *config.Config, w io.Writer) slog.Handler {
	level := cfg.Service.LogLevel
	if cfg.LogJSON() {
		return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	}
	file, ok := w.(*os.File)
	return tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: "15:04:05.000",
		NoColor:    !ok || !term.IsTerminal(int(file.Fd())),
	})
}

// warningLimit is how many warnings with the same message are logged per second, and at once: during an
// outage every request logs one.
const warningLimit = 10

type logHandler struct {
	slog.Handler
	warnings *sync.Map // message to *rate.Limiter; shared with derived handlers
}

func (h logHandler) Handle(ctx context.Context, record slog.Record) error {
	if record.Level == slog.LevelWarn && !h.allows(record) {
		return nil
	}
	record = record.Clone()
	if id := domain.RequestFrom(ctx).ID; id != "" {
		record.AddAttrs(slog.String("request_id", id))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		record.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, record)
}

// allows reports whether a warning is within the limit. Messages are constants, so there are few limiters.
func (h logHandler) allows(record slog.Record) bool {
	limiter, _ := h.warnings.LoadOrStore(record.Message, rate.NewLimiter(warningLimit, warningLimit))
	return limiter.(*rate.Limiter).AllowN(record.Time, 1) //nolint:errcheck,forcetypeassert // nothing else is stored
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs), h.warnings}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	return logHandler{h.Handler.WithGroup(name), h.warnings}
}
