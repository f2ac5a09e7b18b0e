package middleware

import (
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"evently/internal/domain"
)

// RequestRecorder counts requests.
type RequestRecorder interface {
	RequestBegan()
	RequestEnded(method, route string, status int, took time.Duration, stream bool)
}

// LogSampling reduces the access log, except for requests that failed, were slow or are an admin's changes.
type LogSampling struct {
	Ratio     float64       // share of the other requests that are logged, 0 to 1
	SlowAfter time.Duration // from this duration on a request is slow
}

func (s LogSampling) drops(status int, took time.Duration) bool {
	if status >= http.StatusBadRequest || took >= s.SlowAfter {
		return false
	}
	return rand.Float64() >= s.Ratio //nolint:gosec // no secret
}

// Observe counts and logs each request, by the pattern of its route: its path may contain personal data.
func Observe(recorder RequestRecorder, log *slog.Logger, sampling LogSampling) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			recorder.RequestBegan()
			response := chimiddleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				took, route, status := time.Since(start), routeOf(r), statusOf(response)
				stream := strings.HasPrefix(response.Header().Get("Content-Type"), "text/event-stream")
				recorder.RequestEnded(r.Method, route, status, took, stream)
				changesObject := domain.RequestFrom(r.Context()).Object != ""
				if changesObject || !sampling.drops(status, took) {
					logRequest(log, r, route, status, response.BytesWritten(), took)
				}
			}()
			next.ServeHTTP(response, r)
		})
	}
}

// statusOf returns the status of a complete response: net/http sends 200 by itself.
func statusOf(w chimiddleware.WrapResponseWriter) int {
	if status := w.Status(); status != 0 {
		return status
	}
	return http.StatusOK
}

func logRequest(log *slog.Logger, r *http.Request, route string, status, size int, took time.Duration) {
	level := slog.LevelInfo
	if isProbe(route) && status < http.StatusBadRequest {
		level = slog.LevelDebug
	}
	attrs := []slog.Attr{
		slog.String("method", shortMethod(r)),
		slog.String("route", route),
		slog.Int("status", status),
		slog.Int("bytes", size),
		slog.Duration("duration", took),
	}
	request := domain.RequestFrom(r.Context())
	if request.ClientAddr.IsValid() {
		attrs = append(attrs, slog.String("client_ip", request.ClientAddr.String()))
	}
	if request.Identity != nil {
		attrs = append(attrs, slog.Int64("user_id", request.Identity.UserID))
	}
	if request.Object != "" {
		attrs = append(attrs, slog.String("object", request.Object))
	}
	if request.EmailHash != "" {
		attrs = append(attrs, slog.String("email_hash", request.EmailHash))
	}
	log.LogAttrs(r.Context(), level, "request", attrs...)
}

func isProbe(route string) bool {
	return route == "/health" || route == "/health/live" || route == "/health/ready"
}
