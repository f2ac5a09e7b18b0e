package middleware

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"
)

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
			wrapped := watched(w)
			defer func() {
				if took := time.Since(start); !sampling.leavesOut(wrapped.Status(), took) {
					logRequest(log, r, wrapped, start, took)
				}
			}()
			next.ServeHTTP(wrapped, r)
		})
	}
}

func logRequest(log *slog.Logger, r *http.Request, w *answer, start time.Time, took time.Duration) {
	line := AccessLine{
		Time: start.Add(took), Level: slog.LevelInfo, Method: r.Method, Route: routeOf(r), Status: w.Status(), Bytes: w.bytes, Took: took,
	}
	if info := requestFrom(r.Context()); info != nil {
		line.ClientIP, line.UserID, line.RequestID = info.clientIP, info.userID, info.id
	}
	if isProbe(line.Route) && line.Status < http.StatusBadRequest {
		line.Level = slog.LevelDebug
	}
	if log.Enabled(r.Context(), line.Level) {
		_ = HandleAccess(r.Context(), log.Handler(), &line) // as slog does: there is nowhere to tell
	}
}

// isProbe reports the routes that load balancers ask every few seconds.
func isProbe(route string) bool {
	return route == "/health" || route == "/health/live" || route == "/health/ready"
}
