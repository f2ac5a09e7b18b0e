package app_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
)

// Whoever adds a route decides by its path who may use it: what is under /admin is for admins,
// what is named here is for everybody, and the rest of the API is for those who have signed in.
func TestEveryRouteAsksForWhatItsPathSays(t *testing.T) {
	t.Parallel()
	public := map[string]bool{
		"POST /api/v1/auth/register": true, "POST /api/v1/auth/login": true, "GET /api/v1/shows": true,
		"GET /api/v1/shows/search": true, "GET /api/v1/shows/{show_id}": true, "GET /api/v1/shows/{show_id}/seats": true,
	}
	b := openBoxOffice(t)
	user := b.user(t)
	router, ok := b.Handler().(chi.Routes)
	if !ok {
		t.Fatal("the handler is no router")
	}
	routes := 0
	if err := chi.Walk(router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !strings.HasPrefix(route, "/api/v1/") {
			return nil
		}
		routes++
		path := strings.NewReplacer("{show_id}", "1099511627776", "{booking_id}", "1099511627776", "{id}", "1099511627776").Replace(route)
		nobody := b.send(t, request{method: method, path: path})
		somebody := b.send(t, request{method: method, path: path, token: user})
		switch {
		case public[method+" "+route]:
			if nobody.status == http.StatusUnauthorized {
				t.Errorf("%s %s asks for a token", method, route)
			}
		case nobody.status != http.StatusUnauthorized:
			t.Errorf("%s %s without a token is %d", method, route, nobody.status)
		case strings.HasPrefix(route, "/api/v1/admin/") != (somebody.status == http.StatusForbidden):
			t.Errorf("%s %s by a user is %d", method, route, somebody.status)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if routes < 30 {
		t.Errorf("only %d routes were looked at", routes)
	}
}
