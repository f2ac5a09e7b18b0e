package middleware

import (
	"fmt"
	"net/http"
	"time"

	"github.com/go-chi/cors"

	"evently/internal/respond"
)

const corsMaxAge = 600 // seconds

// HeaderOptions are the headers of all responses that are not the same everywhere.
type HeaderOptions struct {
	Origins []string      // whose pages may call the API; empty: no CORS
	HSTS    time.Duration // how long browsers reach this host by HTTPS alone; 0 does not say so
}

// Headers sets the security headers and allows pages of the origins to call the API.
func Headers(o HeaderOptions) func(http.Handler) http.Handler {
	hsts := fmt.Sprintf("max-age=%d", o.HSTS/time.Second)
	return func(next http.Handler) http.Handler {
		if len(o.Origins) > 0 {
			next = allowOrigins(o.Origins)(next)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			header.Set("X-Content-Type-Options", "nosniff")
			header.Set("X-Frame-Options", "DENY")
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
			if o.HSTS > 0 {
				header.Set("Strict-Transport-Security", hsts)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// allowOrigins is CORS without credentials: the API has no cookies.
func allowOrigins(origins []string) func(http.Handler) http.Handler {
	return cors.Handler(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders: []string{
			"Accept", "Authorization", "Cache-Control", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID",
			"Traceparent", "Tracestate", respond.RequestIDHeader,
		},
		ExposedHeaders: []string{
			"ETag", "Idempotency-Replayed", "Retry-After", "WWW-Authenticate", respond.RequestIDHeader,
			rateLimitHeader, rateLimitRemainingHeader, rateLimitResetHeader,
		},
		MaxAge: corsMaxAge,
	})
}
