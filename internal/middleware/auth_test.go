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

// send returns the response to a request with these Authorization headers, and the identity that the handler saw; nil if the
// handler was not called.
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
	middleware.Identify(middleware.Clients{})(handler).ServeHTTP(w, r)
	return w, seen
}

// require is Authenticate followed by Require.
func (f authFixture) require(verifier middleware.TokenVerifier, roles ...domain.Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return middleware.Authenticate(verifier)(middleware.Require(f.log, roles...)(next))
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

func TestAuthenticate_ValidToken(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	token := f.token(t, domain.RoleUser)
	for _, header := range []string{"Bearer " + token, "bearer " + token, "BEARER  " + token} {
		w, seen := send(f.require(f.tokens), header)
		want := domain.Identity{UserID: 7, Email: "jo@example.com", Role: domain.RoleUser}
		if seen != nil {
			want.Expires = seen.Expires
		}
		if w.Code != http.StatusOK || seen == nil || *seen != want {
			t.Errorf("%.8s…: %d, seen %+v", header, w.Code, seen)
		}
	}
}

func TestAuthenticate_InvalidHeaderIsUnauthorized(t *testing.T) {
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
		"invalid":           {"Bearer a.b.c"},
		"huge":              {"Bearer " + strings.Repeat("x", 1<<20)},
	} {
		w, seen := send(f.require(f.tokens), headers...)
		if seen != nil {
			t.Errorf("%s: the handler was called with %+v", name, seen)
		}
		if w.Code != http.StatusUnauthorized || codeOf(t, w) != "unauthorized" || w.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%s: %d %s %v", name, w.Code, w.Body, w.Header())
		}
	}
}

func TestRequire_WithoutAuthenticateNobodyPasses(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	for _, roles := range [][]domain.Role{nil, {domain.RoleAdmin}} {
		w, seen := send(middleware.Require(f.log, roles...), "Bearer "+f.token(t, domain.RoleAdmin))
		if w.Code != http.StatusUnauthorized || codeOf(t, w) != "unauthorized" || seen != nil {
			t.Errorf("roles %v: %d %s", roles, w.Code, w.Body)
		}
	}
}

// A rate limit between Authenticate and Require sees requests with a bad token.
func TestAuthenticate_LetsEveryRequestPass(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	called := false
	w, _ := send(func(http.Handler) http.Handler {
		return middleware.Authenticate(f.tokens)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { called = true }))
	}, "Bearer x")
	if !called || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("called: %t, headers %v", called, w.Header())
	}
}

func TestAuthenticate_ExpiredToken(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	w, seen := send(f.require(expired{}), "Bearer x")
	if seen != nil || w.Code != http.StatusUnauthorized || codeOf(t, w) != "token_expired" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// expired is a verifier of expired tokens.
type expired struct{}

func (expired) Verify(string) (domain.Identity, error) {
	return domain.Identity{}, domain.ErrTokenExpired
}

func TestRequire_Roles(t *testing.T) {
	t.Parallel()
	f := setupAuth(t)
	admins := f.require(f.tokens, domain.RoleAdmin)
	if w, seen := send(admins, "Bearer "+f.token(t, domain.RoleAdmin)); w.Code != http.StatusOK || seen == nil {
		t.Errorf("admin: %d %s", w.Code, w.Body)
	}
	if w, seen := send(f.require(f.tokens, domain.RoleUser, domain.RoleAdmin), "Bearer "+f.token(t, domain.RoleAdmin)); seen == nil {
		t.Errorf("one of two roles: %d %s", w.Code, w.Body)
	}
	w, seen := send(admins, "Bearer "+f.token(t, domain.RoleUser))
	if w.Code != http.StatusForbidden || codeOf(t, w) != "forbidden" || seen != nil {
		t.Errorf("user: %d %s", w.Code, w.Body)
	}
	if w, _ := send(admins); w.Code != http.StatusUnauthorized {
		t.Errorf("no token: %d, want 401 before 403", w.Code)
	}
}
