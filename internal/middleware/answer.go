package middleware

import (
	"net/http"

	chimiddleware "github.com/go-chi/chi/v5/middleware"
)

// answer is a ResponseWriter that remembers what was answered. One serves all that look at it.
type answer = chimiddleware.WrapResponseWriter

// watched gives w, or w with a memory of what was answered.
func watched(w http.ResponseWriter, r *http.Request) answer {
	if a, ok := w.(answer); ok {
		return a
	}
	return chimiddleware.NewWrapResponseWriter(w, r.ProtoMajor)
}

// statusOf gives the status of an answer that is complete.
func statusOf(w answer) int {
	if status := w.Status(); status != 0 {
		return status
	}
	return http.StatusOK // nothing was written: that is what net/http then sends
}
