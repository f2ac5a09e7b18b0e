// Package middleware handles requests before and after their handlers.
package middleware

import (
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"evently/internal/domain"
	"evently/internal/respond"
)

// TokenVerifier verifies access tokens. It returns domain.ErrUnauthorized or domain.ErrTokenExpired.
type TokenVerifier interface {
	Verify(token string) (domain.Identity, error)
}

// Authenticate puts the identity of the access token into the domain.Request, or why there is none. Require responds to
// requests without one only after the rate limit has counted them.
func Authenticate(verifier TokenVerifier) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", "no-store")
			request := domain.RequestFrom(r.Context())
			if token, ok := bearerToken(r.Header); !ok {
				request.AuthError = domain.ErrUnauthorized
			} else if identity, err := verifier.Verify(token); err != nil {
				request.AuthError = err
			} else {
				request.Identity = &identity
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Require responds with 401 without an identity, and with 403 to users with none of the roles, if any are given.
func Require(log *slog.Logger, roles ...domain.Role) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request := domain.RequestFrom(r.Context())
			switch {
			case request.AuthError != nil:
				respond.Error(w, r, log, request.AuthError)
			case request.Identity == nil:
				respond.Error(w, r, log, domain.ErrUnauthorized)
			case len(roles) > 0 && !slices.Contains(roles, request.Identity.Role):
				respond.Error(w, r, log, domain.ErrForbidden)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

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
