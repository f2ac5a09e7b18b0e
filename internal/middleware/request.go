package middleware

import (
	"crypto/rand"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
	"evently/internal/respond"
)

// acceptedRequestID matches ids that can be logged and sent back unchanged.
var acceptedRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)

// Identify puts a domain.Request into the context. Its id is the X-Request-ID of the client, if acceptable. Its address
// is the peer's or, if that is one of the proxies, that in X-Forwarded-For.
func Identify(proxies []netip.Prefix) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(respond.RequestIDHeader)
			if !acceptedRequestID.MatchString(id) {
				id = rand.Text()
			}
			w.Header().Set(respond.RequestIDHeader, id)
			request := &domain.Request{ID: id, ClientAddr: clientAddr(r, proxies)}
			next.ServeHTTP(w, r.WithContext(domain.WithRequest(r.Context(), request)))
		})
	}
}

// routeOf returns the pattern of the route that has served r, or "none".
func routeOf(r *http.Request) string {
	routing := chi.RouteContext(r.Context())
	if routing == nil {
		return "none"
	}
	pattern := routing.RoutePattern()
	if pattern == "" || strings.HasSuffix(pattern, "*") { // a partial match: no route has a wildcard
		return "none"
	}
	return pattern
}
