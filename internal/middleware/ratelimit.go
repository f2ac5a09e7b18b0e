package middleware

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"evently/internal/domain"
	"evently/internal/ratelimit"
	"evently/internal/respond"
)

// Headers of draft-ietf-httpapi-ratelimit-headers-06, the last revision with one header per number.
const (
	rateLimitHeader          = "RateLimit-Limit"
	rateLimitRemainingHeader = "RateLimit-Remaining"
	rateLimitResetHeader     = "RateLimit-Reset"
)

// RateRules are the limits. A zero limit is off.
type RateRules struct {
	All      ratelimit.Limit // requests
	Bookings ratelimit.Limit // changes of bookings, which also count as requests
	Logins   ratelimit.Limit // registrations and logins, which also count as requests
}

// RateLimits responds with 429 to too many requests, and sends the remaining budget as headers. Its middlewares are
// alternatives: a route has one of them. Each takes one Redis round trip.
type RateLimits struct {
	limiter *ratelimit.Limiter
	rules   RateRules
	log     *slog.Logger
}

// NewRateLimits returns the middlewares over limiter.
func NewRateLimits(limiter *ratelimit.Limiter, rules RateRules, log *slog.Logger) *RateLimits {
	return &RateLimits{limiter: limiter, rules: rules, log: log}
}

// Requests limits requests per user or, without an identity, per client address. It must run after Authenticate, if the
// route has that, and before Require, so that requests with a bad token are limited.
func (l *RateLimits) Requests(next http.Handler) http.Handler {
	return l.limit(next, []ratelimit.Limit{l.rules.All}, func(r *http.Request) []ratelimit.Budget {
		return []ratelimit.Budget{l.requests(subjectOf(r))}
	})
}

// Bookings limits changes of bookings in the same place. Requests without an identity change nothing, and count as requests.
func (l *RateLimits) Bookings(next http.Handler) http.Handler {
	return l.limit(next, []ratelimit.Limit{l.rules.All, l.rules.Bookings}, func(r *http.Request) []ratelimit.Budget {
		subject := subjectOf(r)
		budgets := []ratelimit.Budget{l.requests(subject)}
		if _, known := domain.IdentityFrom(r.Context()); known {
			budgets = append(budgets, ratelimit.Budget{Subject: subject, Name: "bookings", Limit: l.rules.Bookings})
		}
		return budgets
	})
}

// Logins limits registrations and logins per client address and per email in the body: one address cannot try many accounts,
// and many addresses cannot try one. Emails without an account count too, and the budget of an email is not sent.
func (l *RateLimits) Logins(next http.Handler) http.Handler {
	return l.limit(next, []ratelimit.Limit{l.rules.All, l.rules.Logins}, func(r *http.Request) []ratelimit.Budget {
		client := clientSubject(domain.RequestFrom(r.Context()).ClientAddr)
		budgets := []ratelimit.Budget{l.requests(client), {Subject: client, Name: "logins", Limit: l.rules.Logins}}
		if l.rules.Logins.Off() {
			return budgets
		}
		if email := peekEmail(r); email != "" {
			budgets = append(budgets, ratelimit.Budget{
				Subject: emailSubject(email), Name: "logins", Limit: l.rules.Logins, Hidden: true,
			})
		}
		return budgets
	})
}

func (l *RateLimits) requests(subject string) ratelimit.Budget {
	return ratelimit.Budget{Subject: subject, Name: "requests", Limit: l.rules.All}
}

// limit takes the budgets of each request, unless all the limits are off.
func (l *RateLimits) limit(next http.Handler, limits []ratelimit.Limit, budgets func(*http.Request) []ratelimit.Budget) http.Handler {
	if !slices.ContainsFunc(limits, func(one ratelimit.Limit) bool { return !one.Off() }) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result := l.limiter.Take(r.Context(), budgets(r)...)
		if result.Limit > 0 {
			w.Header().Set(rateLimitHeader, strconv.Itoa(result.Limit))
			w.Header().Set(rateLimitRemainingHeader, strconv.Itoa(result.Remaining))
			w.Header().Set(rateLimitResetHeader, strconv.Itoa(int(math.Ceil(result.Reset.Seconds()))))
		}
		if !result.Allowed {
			respond.Error(w, r, l.log, domain.ErrRateLimited.WithRetryAfter(max(result.Reset, time.Nanosecond)))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// subjectOf returns whose budget a request takes from.
func subjectOf(r *http.Request) string {
	request := domain.RequestFrom(r.Context())
	if request.Identity != nil {
		return "user:" + strconv.FormatInt(request.Identity.UserID, 10)
	}
	return clientSubject(request.ClientAddr)
}

// ipv6Client is the prefix length of an IPv6 client: one customer has at least a /64.
const ipv6Client = 64

// clientSubject returns the subject of an address. Clients with an unknown address share one.
func clientSubject(addr netip.Addr) string {
	if network, err := addr.Prefix(ipv6Client); addr.Is6() && err == nil {
		return "client:" + network.String()
	}
	return "client:" + addr.String()
}

// emailSubject hashes the email, in the form in which accounts compare it, so that Redis stores none.
func emailSubject(email string) string {
	sum := sha256.Sum256([]byte(domain.EmailKey(email)))
	return "email:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// peekEmail returns the email in the JSON body of r, or "" if it cannot be parsed, which the handler refuses.
func peekEmail(r *http.Request) string {
	var in struct {
		Email string `json:"email"`
	}
	if json.Unmarshal(peekBody(r), &in) != nil {
		return ""
	}
	return in.Email
}
