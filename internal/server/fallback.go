package server

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"evently/internal/respond"
)

// methods are those that routes may have, in the order in which Allow lists them.
var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// routeNotFound answers what is no route; a path with a slash too many at its end is none.
func routeNotFound(http.ResponseWriter, *http.Request) error {
	return respond.ErrRouteNotFound
}

// methodNotAllowed answers a path that is a route with other methods, and names them. A method
// that chi does not know at all comes here on any path.
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
		// HEAD goes wherever GET does.
		if routes.Match(chi.NewRouteContext(), method, path) ||
			method == http.MethodHead && slices.Contains(allowed, http.MethodGet) {
			allowed = append(allowed, method)
		}
	}
	return allowed
}
