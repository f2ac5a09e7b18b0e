package middleware

import (
	"net/http"

	"github.com/go-chi/cors"

	"evently/internal/respond"
)

// corsMaxAge is how long a browser may keep the answer to a preflight, in seconds.
const corsMaxAge = 600

// SecurityHeaders says on every answer that it is data: not to be sniffed, framed or executed. A
// handler that serves pages says what those may do by its own Content-Security-Policy.
func SecurityHeaders(next http.Handler) http.Handler {
	// Their values are shared by all answers: a full slice, which Header.Add copies and does not
	// write to. The names are in the form that http.Header wants.
	type header struct {
		name  string
		value []string
	}
	fixed := []header{
		{"X-Content-Type-Options", []string{"nosniff"}},
		{"X-Frame-Options", []string{"DENY"}},
		{"Referrer-Policy", []string{"no-referrer"}},
		{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		for i := range fixed {
			header[fixed[i].name] = fixed[i].value
		}
		next.ServeHTTP(w, r)
	})
}

// NoStore keeps answers that are somebody's own, or of this very moment, out of caches.
func NoStore(next http.Handler) http.Handler {
	noStore := []string{"no-store"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = noStore
		next.ServeHTTP(w, r)
	})
}

// CORS lets the pages of origins call the API. There are no cookies to protect: who is asking
// comes by the Authorization header, which a page has to know. No origins, no CORS.
func CORS(origins []string) func(http.Handler) http.Handler {
	if len(origins) == 0 {
		return func(next http.Handler) http.Handler { return next }
	}
	return cors.Handler(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders: []string{"Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", respond.RequestIDHeader},
		ExposedHeaders: []string{
			"ETag", "Idempotency-Replayed", "Retry-After", "WWW-Authenticate", respond.RequestIDHeader,
			rateLimitHeader, rateLimitRemainingHeader, rateLimitResetHeader,
		},
		MaxAge: corsMaxAge,
	})
}
