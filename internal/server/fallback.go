package server

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"evently/internal/respond"
)

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
}

func routeNotFound(http.ResponseWriter, *http.Request) error {
	return respond.ErrRouteNotFound
}

// methodNotAllowed lists the methods of a path. chi also calls it for methods that it does not know.
func methodNotAllowed(routes chi.Routes, log *slog.Logger) http.HandlerFunc {
	return respond.Adapt(log, func(w http.ResponseWriter, r *http.Request) error {
		allowed := allowedMethods(routes, r)
		if len(allowed) == 0 {
			return respond.ErrRouteNotFound
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		return respond.ErrMethodNotAllowed
	})
}

func allowedMethods(routes chi.Routes, r *http.Request) []string {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var allowed []string
	for _, method := range methods {
		// Every GET route serves HEAD.
		if routes.Match(chi.NewRouteContext(), method, path) ||
			method == http.MethodHead && slices.Contains(allowed, http.MethodGet) {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
