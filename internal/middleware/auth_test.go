package middleware_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/middleware"
	"evently/internal/service"
)

type authFixture struct {
	tokens *service.Tokens
	log    *slog.Logger
}

func setupAuth(t *testing.T) authFixture {
	t.Helper()
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: []string{"a secret of thirty-two bytes, or more"}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return authFixture{tokens: tokens, log: slog.New(slog.DiscardHandler)}
}

func (f authFixture) token(t *testing.T, role domain.Role) string {
	t.Helper()
	token, err := f.tokens.Issue(domain.User{ID: 7, Email: "jo@example.com", Role: role})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// send gives the answer to a request with these Authorization headers, and who the handler
// behind the middleware saw, if it was reached.
func send(h func(http.Handler) http.Handler, authorization ...string) (*httptest.ResponseRecorder, *domain.Identity) {
	var seen *domain.Identity
	handler := h(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if id, ok := domain.IdentityFrom(r.Context()); ok {
			seen = &id
		}
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Authorization"] = authorization
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w, seen
}

// authenticate is Authenticate with the answer that it leaves to RequireUser.
func (f authFixture) authenticate(verifier middleware.TokenVerifier) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return middleware.Authenticate(verifier)(middleware.RequireUser(f.log)(next))
	}
}

func codeOf(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var body struct{ Code string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return body.Code
}

func TestAuthenticateTellsTheHandlerWhoIsAsking(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	token := f.token(t, domain.RoleUser)
	for _, header := range []string{"Bearer " + token, "bearer " + token, "BEARER  " + token} {
		w, seen := send(f.authenticate(f.tokens), header)
		want := domain.Identity{UserID: 7, Email: "jo@example.com", Role: domain.RoleUser}
		if w.Code != http.StatusOK || seen == nil || *seen != want {
			t.Errorf("%.8s…: %d, seen %+v", header, w.Code, seen)
		}
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	token := f.token(t, domain.RoleAdmin)
	for name, headers := range map[string][]string{
		"no header":         nil,
		"an empty header":   {""},
		"the scheme alone":  {"Bearer"},
		"no token":          {"Bearer "},
		"the token alone":   {token},
		"another scheme":    {"Basic " + token},
		"a longer scheme":   {"Bearers " + token},
		"a tab":             {"Bearer\t" + token},
		"two headers":       {"Bearer " + token, "Bearer " + token},
		"two tokens":        {"Bearer " + token + " " + token},
		"two in one header": {"Bearer " + token + ", Bearer " + token},
		"quoted":            {`Bearer "` + token + `"`},
		"not ours":          {"Bearer a.b.c"},
		"huge":              {"Bearer " + strings.Repeat("x", 1<<20)},
	} {
		w, seen := send(f.authenticate(f.tokens), headers...)
		if seen != nil {
			t.Errorf("%s: the handler was reached by %+v", name, seen)
		}
		if w.Code != http.StatusUnauthorized || codeOf(t, w) != "unauthorized" || w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %s %v", name, w.Code, w.Body, w.Header())
		}
	}
}

// Mounted without Authenticate by mistake, it lets nobody in.
func TestRequireUserAlone(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	w, seen := send(middleware.RequireUser(f.log), "Bearer "+f.token(t, domain.RoleUser))
	if w.Code != http.StatusUnauthorized || codeOf(t, w) != "unauthorized" || seen != nil {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAuthenticateSaysThatATokenExpired(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	w, seen := send(f.authenticate(expired{}), "Bearer x")
	if seen != nil || w.Code != http.StatusUnauthorized || codeOf(t, w) != "token_expired" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// expired is a verifier whose time is long past.
type expired struct{}

func (expired) Verify(string) (domain.Identity, error) {
	return domain.Identity{}, domain.ErrTokenExpired
}

func TestRequireRole(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	admins := func(next http.Handler) http.Handler {
		return f.authenticate(f.tokens)(middleware.RequireRole(domain.RoleAdmin, f.log)(next))
	}
	if w, seen := send(admins, "Bearer "+f.token(t, domain.RoleAdmin)); w.Code != http.StatusOK || seen == nil {
		t.Errorf("an admin: %d %s", w.Code, w.Body)
	}
	w, seen := send(admins, "Bearer "+f.token(t, domain.RoleUser))
	if w.Code != http.StatusForbidden || codeOf(t, w) != "forbidden" || seen != nil {
		t.Errorf("a user: %d %s", w.Code, w.Body)
	}
	if w, _ := send(admins); w.Code != http.StatusUnauthorized {
		t.Errorf("nobody: %d, want 401 before any 403", w.Code)
	}
	// Mounted without Authenticate by mistake, it lets nobody in.
	if w, _ := send(middleware.RequireRole(domain.RoleAdmin, f.log)); w.Code != http.StatusUnauthorized {
		t.Errorf("without Authenticate: %d, want 401", w.Code)
	}
}
