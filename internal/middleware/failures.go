package middleware

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"evently/internal/domain"
	"evently/internal/ratelimit"
	"evently/internal/respond"
)

// Failures limits wrong passwords per account, wherever they come from; Logins, which limits addresses, must
// run before it, so that an address that is refused takes nothing from an account. A network from which the
// account has signed in has a budget of its own: others cannot lock it out. Emails without an account count
// too. The account is that of the token, or else of the email in the body.
//
// A request takes from the budget before it is handled, and gives back unless the response is 401: otherwise
// requests at the same time would not see each other's failures. It does so also when the client has gone: one that
// hangs up would have its guesses for nothing.
func (l *RateLimits) Failures(next http.Handler) http.Handler {
	if l.rules.Failures.Off() {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		email := emailOf(r)
		if email == "" {
			next.ServeHTTP(w, r)
			return
		}
		account := emailSubject(email)
		network := clientOf(r)
		budget := ratelimit.Budget{Subject: account, Name: "failures", Limit: l.rules.Failures}
		ctx := context.WithoutCancel(r.Context())
		if l.limiter.Remembers(ctx, account, network) {
			budget.Name = "failures:" + network
		}
		if result := l.limiter.Take(ctx, budget); !result.Allowed {
			respond.Error(w, r, l.log, domain.ErrRateLimited.WithRetryAfter(max(result.Reset, time.Second)))
			return
		}
		response := chimiddleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(response, r)

		status := statusOf(response)
		if status != http.StatusUnauthorized {
			l.limiter.Give(ctx, budget)
		}
		if status < http.StatusMultipleChoices {
			l.limiter.Remember(ctx, account, network)
		}
	})
}

// Remember remembers the network of a client that has registered, as Failures does after a login.
func (l *RateLimits) Remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		email := emailOf(r)
		response := chimiddleware.NewWrapResponseWriter(w, r.ProtoMajor)
		next.ServeHTTP(response, r)
		if email != "" && statusOf(response) == http.StatusCreated {
			network := clientOf(r)
			l.limiter.Remember(context.WithoutCancel(r.Context()), emailSubject(email), network)
		}
	})
}

// emailOf returns the email whose password a request brings, or "".
func emailOf(r *http.Request) string {
	if identity, known := domain.IdentityFrom(r.Context()); known {
		return identity.Email
	}
	var in struct {
		Email string `json:"email"`
	}
	if json.Unmarshal(peekBody(r, respond.MaxAuthBody), &in) != nil { // the handler refuses such a body
		return ""
	}
	return in.Email
}

// emailSubject hashes the email, in the form in which accounts compare it, so that Redis stores none.
func emailSubject(email string) string {
	sum := sha256.Sum256([]byte(domain.EmailKey(email)))
	return "email:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}
