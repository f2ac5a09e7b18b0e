package middleware

import (
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
	Network  ratelimit.Limit // requests of a client's network, of all users in it
	Bookings ratelimit.Limit // changes of bookings, which also count as requests
	Searches ratelimit.Limit // searches, which also count as requests
	Logins   ratelimit.Limit // registrations and logins, which also count as requests
	Failures ratelimit.Limit // wrong passwords for an account
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

// Requests limits requests per user or, without an identity, per client address, and per network. It must run after
// Authenticate, if the route has that, and before Require, so that requests with a bad token are limited.
func (l *RateLimits) Requests(next http.Handler) http.Handler {
	return l.limit(next, nil)
}

// Bookings limits changes of bookings as well, in the same place.
func (l *RateLimits) Bookings(next http.Handler) http.Handler {
	return l.limit(next, func(r *http.Request) []ratelimit.Budget {
		if _, known := domain.IdentityFrom(r.Context()); !known {
			return nil
		}
		return []ratelimit.Budget{{Subject: subjectOf(r), Name: "bookings", Limit: l.rules.Bookings}}
	})
}

// Searches limits searches in the same place.
func (l *RateLimits) Searches(next http.Handler) http.Handler {
	return l.limit(next, func(r *http.Request) []ratelimit.Budget {
		return append(widerNetworks(r, "searches", l.rules.Searches),
			ratelimit.Budget{Subject: subjectOf(r), Name: "searches", Limit: l.rules.Searches})
	})
}

// Logins limits registrations, logins and what else checks a password, per client address.
func (l *RateLimits) Logins(next http.Handler) http.Handler {
	return l.limit(next, func(r *http.Request) []ratelimit.Budget {
		return append(widerNetworks(r, "logins", l.rules.Logins),
			ratelimit.Budget{Subject: clientOf(r), Name: "logins", Limit: l.rules.Logins})
	})
}

// limit takes from the budgets of each request: those that all requests have, and what further returns.
func (l *RateLimits) limit(next http.Handler, further func(*http.Request) []ratelimit.Budget) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		budgets := []ratelimit.Budget{{Subject: subjectOf(r), Name: "requests", Limit: l.rules.All}}
		if further != nil {
			budgets = append(budgets, further(r)...)
		}
		result := l.limiter.Take(r.Context(), append(budgets, l.networks(r)...)...)
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

// clientOf returns the subject of a request's client address.
func clientOf(r *http.Request) string {
	return clientSubject(domain.RequestFrom(r.Context()).ClientAddr)
}

// networks returns the budgets of the networks of a request's client. What is left of them is caused by others, too. An
// IPv4 client without a token is its network, and has a smaller budget already.
func (l *RateLimits) networks(r *http.Request) []ratelimit.Budget {
	request := domain.RequestFrom(r.Context())
	if request.ClientAddr.Is4() && request.Identity == nil {
		return nil
	}
	return networkBudgets(r, "requests", l.rules.Network)
}

// widerNetworks are the networks of a request's client that have more than the client itself.
func widerNetworks(r *http.Request, name string, limit ratelimit.Limit) []ratelimit.Budget {
	return slices.DeleteFunc(networkBudgets(r, name, limit), func(b ratelimit.Budget) bool { return b.Limit.Requests == limit.Requests })
}

// networkBudgets returns the budgets of the networks of a request's client.
func networkBudgets(r *http.Request, name string, limit ratelimit.Limit) []ratelimit.Budget {
	var budgets []ratelimit.Budget
	for _, network := range domain.ClientNetworks(domain.RequestFrom(r.Context()).ClientAddr) {
		times := ratelimit.Limit{Requests: limit.Requests * network.Times, Per: limit.Per}
		budgets = append(budgets, ratelimit.Budget{
			Subject: "network:" + network.Prefix.String(), Name: name, Limit: times, Hidden: true,
		})
	}
	return budgets
}

// ipv6Client is the prefix length of an IPv6 client: one customer has at least a /64.
const ipv6Client = 64

func clientSubject(addr netip.Addr) string {
	if network, err := addr.Prefix(ipv6Client); addr.Is6() && err == nil {
		return "client:" + network.String()
	}
	return "client:" + addr.String()
}
