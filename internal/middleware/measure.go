package middleware

import (
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
)

// RequestRecorder hears of every request. Its methods return at once.
type RequestRecorder interface {
	// RequestBegan is told before the request is served.
	RequestBegan()
	// RequestEnded is told afterwards. The route is a pattern, or "none" for what is no route. A
	// stream is as long as its client likes, which says nothing of how fast it was answered.
	RequestEnded(method, route string, status int, took time.Duration, stream bool)
}

// Measure tells the recorder of every request, also of one whose handler panics.
func Measure(recorder RequestRecorder) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := startOf(r)
			wrapped := watched(w)
			recorder.RequestBegan()
			defer func() {
				stream := strings.HasPrefix(wrapped.Header().Get("Content-Type"), "text/event-stream")
				recorder.RequestEnded(r.Method, routeOf(r), wrapped.Status(), time.Since(start), stream)
			}()
			next.ServeHTTP(wrapped, r)
		})
	}
}

// routeOf gives the pattern of the route that served r, once it was served, or "none".
func routeOf(r *http.Request) string {
	info := requestFrom(r.Context())
	if info != nil && info.route != "" {
		return info.route
	}
	route := "none"
	if routing := chi.RouteContext(r.Context()); routing != nil {
		// What ends in a star is where the search for a route ended in vain.
		if pattern := routing.RoutePattern(); pattern != "" && !strings.HasSuffix(pattern, "*") {
			route = pattern
		}
	}
	if info != nil {
		info.route = route
	}
	return route
}
