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

// RateLimits responds with 429 to too many requests. Its middlewares are alternatives: each takes one Redis round trip.
type RateLimits struct {
	limiter *ratelimit.Limiter
	rules   RateRules
	log     *slog.Logger
}

// NewRateLimits returns the middlewares over limiter.
func NewRateLimits(limiter *ratelimit.Limiter, rules RateRules, log *slog.Logger) *RateLimits {
	return &RateLimits{limiter: limiter, rules: rules, log: log}
}

// Requests limits requests per user or client address. It must run between Authenticate and Require.
func (l *RateLimits) Requests(next http.Handler) http.Handler {
	return l.limit(next, []ratelimit.Limit{l.rules.All}, func(r *http.Request) []ratelimit.Budget {
		return []ratelimit.Budget{l.requests(subjectOf(r))}
	})
}

// Bookings limits changes of bookings as well, in the same place.
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

// Logins limits logins per client address and per email: many addresses cannot try one account.
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

func (l *RateLimits) limit(
	next http.Handler, limits []ratelimit.Limit, budgets func(*http.Request) []ratelimit.Budget,
) http.Handler {
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

func subjectOf(r *http.Request) string {
	request := domain.RequestFrom(r.Context())
	if request.Identity != nil {
		return "user:" + strconv.FormatInt(request.Identity.UserID, 10)
	}
	return clientSubject(request.ClientAddr)
}

const ipv6Client = 64 // prefix bits: one customer has at least a /64

func clientSubject(addr netip.Addr) string {
	if network, err := addr.Prefix(ipv6Client); addr.Is6() && err == nil {
		return "client:" + network.String()
	}
	return "client:" + addr.String()
}

func emailSubject(email string) string {
	sum := sha256.Sum256([]byte(domain.EmailKey(email))) // Redis stores no emails
	return "email:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

func peekEmail(r *http.Request) string {
	var in struct {
		Email string `json:"email"`
	}
	if json.Unmarshal(peekBody(r), &in) != nil {
		return ""
	}
	return in.Email
}
