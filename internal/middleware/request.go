package middleware

import (
	"crypto/rand"
	"net/http"
	"regexp"
	"strings"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
	"evently/internal/respond"
)

// acceptedRequestID matches ids that can be logged and sent back unchanged.
var acceptedRequestID = regexp.MustCompile(`^[A-Za-z0-9._:/+=-]{1,128}$`)

// Identify puts a domain.Request with an id and the client's address into the context. The id is the client's
// X-Request-ID if it is acceptable, else a new one, and is a header of the response. The address is the peer's, unless the
// peer is one of the proxies, which send it in a header.
func Identify(clients Clients) func(http.Handler) http.Handler {
	proxies := &proxyCheck{log: clients.Log}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id := r.Header.Get(respond.RequestIDHeader)
			if !acceptedRequestID.MatchString(id) {
				id = rand.Text()
			}
			w.Header().Set(respond.RequestIDHeader, id)
			client, behind := clients.clientAddr(r)
			proxies.observe(client, behind)
			request := &domain.Request{ID: id, ClientAddr: client}
			next.ServeHTTP(w, r.WithContext(domain.WithRequest(r.Context(), request)))
		})
	}
}

const maxMethod = 20 // bytes

// shortMethod returns the method of r for logs and traces: a client may send one of any length.
func shortMethod(r *http.Request) string {
	if len(r.Method) > maxMethod {
		return r.Method[:maxMethod] + "…"
	}
	return r.Method
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
