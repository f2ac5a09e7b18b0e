// Package middleware holds what happens to requests before and after their handlers.
package middleware

import (
	"log/slog"
	"net/http"
	"strings"

	"evently/internal/domain"
	"evently/internal/respond"
)

// TokenVerifier tells who an access token stands for.
type TokenVerifier interface {
	Verify(token string) (domain.Identity, error)
}

// Authenticate lets a request pass that carries a good access token, with the
// domain.Identity in its context. Any other is answered with 401.
func Authenticate(verifier TokenVerifier, log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			token, ok := bearerToken(r.Header)
			if !ok {
				respond.Error(w, r, log, domain.ErrUnauthorized)
				return
			}
			identity, err := verifier.Verify(token)
			if err != nil {
				respond.Error(w, r, log, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(domain.WithIdentity(r.Context(), identity)))
		})
	}
}

// RequireRole lets a request pass, behind Authenticate, whose user has the role. Any other
// is answered with 403.
func RequireRole(role domain.Role, log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			identity, ok := domain.IdentityFrom(r.Context())
			switch {
			case !ok:
				respond.Error(w, r, log, domain.ErrUnauthorized)
			case identity.Role != role:
				respond.Error(w, r, log, domain.ErrForbidden)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// bearerToken gives the token of the one Authorization header. With two of them it would
// depend on the reader who is asking.
func bearerToken(header http.Header) (string, bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	token = strings.TrimLeft(token, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", false
	}
	return token, true
}
