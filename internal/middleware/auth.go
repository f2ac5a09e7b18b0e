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

// TokenVerifier verifies access tokens.
type TokenVerifier interface {
	// Verify returns the identity of a token, or domain.ErrUnauthorized or domain.ErrTokenExpired.
	Verify(token string) (domain.Identity, error)
}

// Authenticate puts the identity of the request's access token into its domain.Request, or why there is none. It lets every
// request pass, so that rate limits can count them by user or address before Require responds with 401. Responses must not
// be cached.
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

// Require responds with 401 to a request without an identity, and with 403 if the user has none of the roles. Without roles
// every user passes. It must run after Authenticate.
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

// bearerToken returns the token of the Authorization header. Several headers are ambiguous, so they count as none.
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
