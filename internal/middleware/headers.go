package middleware

import (
	"net/http"

	"github.com/go-chi/cors"

	"evently/internal/respond"
)

const corsMaxAge = 600 // seconds

// Headers sets the security headers and allows pages of the origins to call the API.
func Headers(origins []string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if len(origins) > 0 {
			next = allowOrigins(origins)(next)
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			header := w.Header()
			header.Set("X-Content-Type-Options", "nosniff")
			header.Set("X-Frame-Options", "DENY")
			header.Set("Referrer-Policy", "no-referrer")
			header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
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
			"Accept", "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", respond.RequestIDHeader,
		},
		ExposedHeaders: []string{
			"ETag", "Idempotency-Replayed", "Retry-After", "WWW-Authenticate", respond.RequestIDHeader,
			rateLimitHeader, rateLimitRemainingHeader, rateLimitResetHeader,
		},
		MaxAge: corsMaxAge,
	})
}
