// Package middleware holds what happens to requests before and after their handlers.
package middleware

import (
	"context"
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

// refusalKey is the context key of why a request has no Identity.
type refusalKey struct{}

// Authenticate finds out who is asking: a request with a good access token goes on with the
// domain.Identity in its context, and any other one with why it has none. RequireUser turns that
// into the answer; what stands between them can count users and strangers apart.
func Authenticate(verifier TokenVerifier) func(http.Handler) http.Handler {
	identify := func(r *http.Request) (domain.Identity, error) {
		token, ok := bearerToken(r.Header)
		if !ok {
			return domain.Identity{}, domain.ErrUnauthorized
		}
		return verifier.Verify(token)
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			if identity, err := identify(r); err != nil {
				ctx = context.WithValue(ctx, refusalKey{}, err)
			} else {
				ctx = domain.WithIdentity(ctx, identity)
			}
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}

// RequireUser lets a request pass, behind Authenticate, that has an Identity. Any other is
// answered with 401.
func RequireUser(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return respond.Adapt(log, func(w http.ResponseWriter, r *http.Request) error {
			if _, ok := domain.IdentityFrom(r.Context()); !ok {
				if err, ok := r.Context().Value(refusalKey{}).(error); ok {
					return err
				}
				return domain.ErrUnauthorized
			}
			next.ServeHTTP(w, r)
			return nil
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
