package middleware

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"
)

// AccessMessage is the message of the one line that each request has.
const AccessMessage = "request"

// LogSampling says which requests need no line: a share of those that went well and quickly.
type LogSampling struct {
	Ratio     float64       // of such requests that have one; 1 is all, 0 is none
	SlowAfter time.Duration // from which on a request always has one
}

// leavesOut decides about a request that was answered.
func (s LogSampling) leavesOut(status int, took time.Duration) bool {
	if s.Ratio >= 1 || status >= http.StatusBadRequest || took >= s.SlowAfter {
		return false
	}
	return rand.Float64() >= s.Ratio //nolint:gosec // no secret
}

// AccessLog writes one line for each request, behind Identify, save for those that sampling leaves
// out. It names the pattern of the route and not the path: a path can hold what nobody should read in
// a log, and a pattern can be counted. The probes of a load balancer are logged at debug.
func AccessLog(log *slog.Logger, sampling LogSampling) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := startOf(r)
			wrapped := watched(w, r)
			defer func() {
				if took := time.Since(start); !sampling.leavesOut(statusOf(wrapped), took) {
					logRequest(log, r, wrapped, start, took)
				}
			}()
			next.ServeHTTP(wrapped, r)
		})
	}
}

// maxAccessAttrs is how many attributes a line has at the most.
const maxAccessAttrs = 8

func logRequest(log *slog.Logger, r *http.Request, w answer, start time.Time, took time.Duration) {
	route, status := routeOf(r), statusOf(w)
	attrs := make([]slog.Attr, 0, maxAccessAttrs)
	attrs = append(attrs,
		slog.String("method", r.Method),
		slog.String("route", route),
		slog.Int("status", status),
		slog.Int("bytes", w.BytesWritten()),
		slog.Duration("duration", took),
	)
	if info := requestFrom(r.Context()); info != nil {
		if info.clientIP.IsValid() {
			attrs = append(attrs, slog.String("client_ip", info.clientIP.String()))
		}
		if info.userID != 0 {
			attrs = append(attrs, slog.Int64("user_id", info.userID))
		}
		attrs = append(attrs, slog.String(requestIDAttr, info.id))
	}
	level := slog.LevelInfo
	if isProbe(route) && status < http.StatusBadRequest {
		level = slog.LevelDebug
	}
	if !log.Enabled(r.Context(), level) {
		return
	}
	// log.LogAttrs would look up where in the program it was called, for nobody.
	record := slog.NewRecord(start.Add(took), level, AccessMessage, 0)
	record.AddAttrs(attrs...)
	_ = log.Handler().Handle(r.Context(), record) // as slog does: there is nowhere to tell
}

// isProbe reports the routes that load balancers ask every few seconds.
func isProbe(route string) bool {
	return route == "/health" || route == "/health/live" || route == "/health/ready"
}
