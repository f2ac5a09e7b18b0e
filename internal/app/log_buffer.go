package app

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"evently/internal/middleware"
	"evently/internal/respond"
)

// accessBuffer is how many bytes of access lines are gathered at the most.
const accessBuffer = 32 << 10

// gathering is a handler that writes the access lines of requests that went well together, a moment
// later: a write for each of them is a tenth of what a cheap request costs. Every other line is
// written at once, and what was gathered before it, so lines keep their order. What a process that
// is killed has gathered is lost.
type gathering struct {
	slog.Handler
	lines   *lineBuffer
	derived bool // it writes more than it is given
}

// newGathering gives the handler that newHandler makes over w. Lines wait for the interval at the most;
// with 0 none does.
func newGathering(w io.Writer, interval time.Duration, newHandler func(w io.Writer) slog.Handler) slog.Handler {
	if interval <= 0 {
		return newHandler(w)
	}
	lines := &lineBuffer{w: w, interval: interval}
	return gathering{Handler: newHandler(lines), lines: lines}
}

// Handle gathers a line or writes it, and all that were gathered.
func (h gathering) Handle(ctx context.Context, record slog.Record) error {
	err := h.Handler.Handle(ctx, record)
	if record.Message != middleware.AccessMessage || record.Level > slog.LevelInfo {
		h.lines.flush()
	}
	return err
}

// HandleAccess gathers a line without a record in between.
func (h gathering) HandleAccess(ctx context.Context, line *middleware.AccessLine) error {
	plain := respond.IsPlain(line.Method) && respond.IsPlain(line.Route) && respond.IsPlain(line.RequestID)
	if h.derived || line.Level > slog.LevelInfo || !plain {
		return h.Handle(ctx, line.Record())
	}
	h.lines.gather(func(b []byte) []byte { return appendAccessLine(b, line) })
	return nil
}

// WithAttrs keeps what is derived from h gathering.
func (h gathering) WithAttrs(attrs []slog.Attr) slog.Handler {
	return gathering{Handler: h.Handler.WithAttrs(attrs), lines: h.lines, derived: true}
}

// WithGroup keeps what is derived from h gathering.
func (h gathering) WithGroup(name string) slog.Handler {
	return gathering{Handler: h.Handler.WithGroup(name), lines: h.lines, derived: true}
}

// lineBuffer gathers whole lines. It is safe for concurrent use.
type lineBuffer struct {
	w        io.Writer
	interval time.Duration

	mu    sync.Mutex
	lines []byte
}

// Write gathers a line.
func (b *lineBuffer) Write(line []byte) (int, error) {
	b.gather(func(lines []byte) []byte { return append(lines, line...) })
	return len(line), nil
}

// gather has one line appended; the first one sees to it that they are written after the interval.
func (b *lineBuffer) gather(appendLine func(lines []byte) []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 {
		time.AfterFunc(b.interval, b.flush)
	}
	b.lines = appendLine(b.lines)
	if len(b.lines) >= accessBuffer {
		b.write()
	}
}

// flush writes what was gathered.
func (b *lineBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
}

func (b *lineBuffer) write() {
	if len(b.lines) > 0 {
		_, _ = b.w.Write(b.lines) // there is nowhere to tell that the log cannot be written
		b.lines = b.lines[:0]
	}
}
