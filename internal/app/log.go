package app

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"

	"evently/internal/config"
	"evently/internal/middleware"
	"evently/internal/respond"
)

// NewLogger gives the logger of the whole process: JSON or text on w, each line of a request
// with its id. Of the requests that are turned away one a second and reason has a line.
func NewLogger(cfg *config.Config, w io.Writer) *slog.Logger {
	return slog.New(middleware.LogHandler{Handler: newCalmHandler(newLineHandler(cfg, w))})
}

func newLineHandler(cfg *config.Config, w io.Writer) slog.Handler {
	level := cfg.Service.LogLevel
	if cfg.LogJSON() {
		return newGathering(w, cfg.Service.LogFlush, func(w io.Writer) slog.Handler {
			return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
		})
	}
	file, ok := w.(*os.File)
	return tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: "15:04:05.000",
		NoColor:    !ok || !term.IsTerminal(int(file.Fd())),
	})
}

// calmInterval is how long after a line about a request that was turned away there is no other one
// for the same reason.
const calmInterval = time.Second

// calmHandler leaves out most of the lines about requests that are turned away: in an overload, or
// without the database, there is one for every request, they all say the same, and writing them is
// the last thing that an overloaded process should do. The access log and the metrics count them.
type calmHandler struct {
	slog.Handler
	reasons *reasons // shared with all that is derived
}

// reasons are why requests were turned away, by code.
type reasons struct {
	mu   sync.Mutex
	last map[string]*reason
}

type reason struct {
	told    time.Time
	leftOut int // lines since then
}

func newCalmHandler(next slog.Handler) calmHandler {
	return calmHandler{Handler: next, reasons: &reasons{last: map[string]*reason{}}}
}

// Handle passes a line on or leaves it out. The next one that is passed on says how many were left out.
func (h calmHandler) Handle(ctx context.Context, record slog.Record) error {
	if record.Message != respond.TurnedAway {
		return h.Handler.Handle(ctx, record)
	}
	var code string
	record.Attrs(func(a slog.Attr) bool {
		if a.Key == respond.CodeKey {
			code = a.Value.String()
		}
		return code == ""
	})
	leftOut, pass := h.reasons.tell(code, record.Time)
	if !pass {
		return nil
	}
	if leftOut > 0 {
		record = record.Clone()
		record.AddAttrs(slog.Int("left_out", leftOut))
	}
	return h.Handler.Handle(ctx, record)
}

// HandleAccess passes a line on by the short way.
func (h calmHandler) HandleAccess(ctx context.Context, line *middleware.AccessLine) error {
	return middleware.HandleAccess(ctx, h.Handler, line)
}

// tell reports whether it is time for another line for this reason, and how many were left out.
func (r *reasons) tell(code string, now time.Time) (leftOut int, pass bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, known := r.last[code]
	switch {
	case !known:
		r.last[code] = &reason{told: now}
		return 0, true
	case now.Sub(last.told) < calmInterval:
		last.leftOut++
		return 0, false
	default:
		leftOut = last.leftOut
		*last = reason{told: now}
		return leftOut, true
	}
}

// WithAttrs keeps what is derived from h calm.
func (h calmHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return calmHandler{h.Handler.WithAttrs(attrs), h.reasons}
}

// WithGroup keeps what is derived from h calm.
func (h calmHandler) WithGroup(name string) slog.Handler {
	return calmHandler{h.Handler.WithGroup(name), h.reasons}
}
