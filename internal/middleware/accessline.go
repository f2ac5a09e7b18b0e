package middleware

import (
	"context"
	"log/slog"
	"net/netip"
	"time"
)

// AccessMessage is the message of the one line that each request has.
const AccessMessage = "request"

// AccessLine is what the access log tells of a request.
type AccessLine struct {
	Time      time.Time // when it was answered
	Level     slog.Level
	Method    string
	Route     string
	Status    int
	Bytes     int // of the answer's body
	Took      time.Duration
	ClientIP  netip.Addr // not valid when it is unknown
	UserID    int64      // 0 when nobody has said who they are
	RequestID string     // "" without Identify
}

// maxAccessAttrs is how many attributes a line has at the most.
const maxAccessAttrs = 8

// Record gives the line as slog knows lines.
func (l *AccessLine) Record() slog.Record {
	attrs := make([]slog.Attr, 0, maxAccessAttrs)
	attrs = append(attrs,
		slog.String("method", l.Method),
		slog.String("route", l.Route),
		slog.Int("status", l.Status),
		slog.Int("bytes", l.Bytes),
		slog.Duration("duration", l.Took),
	)
	if l.ClientIP.IsValid() {
		attrs = append(attrs, slog.String("client_ip", l.ClientIP.String()))
	}
	if l.UserID != 0 {
		attrs = append(attrs, slog.Int64("user_id", l.UserID))
	}
	if l.RequestID != "" {
		attrs = append(attrs, slog.String(requestIDAttr, l.RequestID))
	}
	// No place in the program: it would be this one, always.
	record := slog.NewRecord(l.Time, l.Level, AccessMessage, 0)
	record.AddAttrs(attrs...)
	return record
}

// AccessHandler is a slog.Handler with a shorter way for access lines: there is one for each request.
type AccessHandler interface {
	slog.Handler
	// HandleAccess is Handle for the line's Record.
	HandleAccess(ctx context.Context, line *AccessLine) error
}

// HandleAccess has h handle the line, by the shorter way if there is one.
func HandleAccess(ctx context.Context, h slog.Handler, line *AccessLine) error {
	if short, ok := h.(AccessHandler); ok {
		return short.HandleAccess(ctx, line)
	}
	return h.Handle(ctx, line.Record())
}
