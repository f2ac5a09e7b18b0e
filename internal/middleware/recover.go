package middleware

import (
	"log/slog"
	"net/http"
	"runtime/debug"

	"evently/internal/domain"
	"evently/internal/respond"
)

// Recover turns a panic into an answer of the standard shape and logs it once, with its stack.
// When part of another answer is out already, the connection is broken off instead: the client
// must not take the half for the whole. http.ErrAbortHandler asks for just that, and passes.
func Recover(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wrapped := watched(w)
			defer func() { //nolint:contextcheck // it has the request, and with it the context
				cause := recover()
				if cause == nil {
					return
				}
				if cause == http.ErrAbortHandler { //nolint:errorlint // the sentinel itself is the protocol of net/http
					panic(cause)
				}
				log.ErrorContext(r.Context(), "panic", "cause", cause, "stack", string(debug.Stack()))
				if wrapped.begun() {
					panic(http.ErrAbortHandler)
				}
				// What the handler said about the answer that never came.
				for _, name := range []string{"Content-Encoding", "ETag", "Cache-Control", "Last-Modified"} {
					wrapped.Header().Del(name)
				}
				respond.Error(wrapped, r, slog.New(slog.DiscardHandler), domain.ErrInternal)
			}()
			next.ServeHTTP(wrapped, r)
		})
	}
}
