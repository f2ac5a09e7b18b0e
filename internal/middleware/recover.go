package middleware

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"evently/internal/domain"
	"evently/internal/respond"
)

// Recover logs a panic and responds with 500. If part of a response was sent, it closes the connection instead.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			response := chimiddleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				cause := recover()
				if cause == nil {
					return
				}
				if cause == http.ErrAbortHandler { //nolint:errorlint // net/http compares it this way
					panic(cause)
				}
				log.ErrorContext(r.Context(), "panic", "cause", cause, "stack", string(debug.Stack()))
				if response.Status() != 0 {
					panic(http.ErrAbortHandler)
				}
				for _, name := range []string{"Content-Encoding", "ETag", "Cache-Control", "Last-Modified"} {
					response.Header().Del(name) // of the response that was never sent
				}
				status, body := respond.ErrorBody(r.Context(), domain.ErrInternal)
				respond.Raw(response, status, body)
			}()
			next.ServeHTTP(response, r)
		})
	}
}
