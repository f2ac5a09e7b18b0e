package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
)

// Routes under /admin are for admins, those named here are public, and the others are for users.
func TestRoutes_RequireTheRoleOfTheirPath(t *testing.T) {
	t.Parallel()
	public := map[string]bool{
		"POST /api/v1/auth/register": true, "POST /api/v1/auth/login": true, "GET /api/v1/shows": true,
		"GET /api/v1/shows/search": true, "GET /api/v1/shows/{show_id}": true, "GET /api/v1/shows/{show_id}/seats": true,
	}
	b := openBoxOffice(t)
	user := b.user(t)
	router, ok := b.Handler().(chi.Routes)
	if !ok {
		t.Fatal("the handler is not a router")
	}
	routes := 0
	if err := chi.Walk(router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !strings.HasPrefix(route, "/api/v1/") {
			return nil
		}
		routes++
		path := parameter.ReplaceAllString(route, "1099511627776")
		anonymous := b.send(t, request{method: method, path: path})
		asUser := b.send(t, request{method: method, path: path, token: user})
		switch {
		case public[method+" "+route]:
			if anonymous.status == http.StatusUnauthorized {
				t.Errorf("%s %s requires a token", method, route)
			}
		case anonymous.status != http.StatusUnauthorized:
			t.Errorf("%s %s without a token: %d", method, route, anonymous.status)
		case strings.HasPrefix(route, "/api/v1/admin/") != (asUser.status == http.StatusForbidden):
			t.Errorf("%s %s as a user: %d", method, route, asUser.status)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if routes < 30 {
		t.Errorf("only %d routes were checked", routes)
	}
}
