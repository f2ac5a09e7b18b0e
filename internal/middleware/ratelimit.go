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

// The headers of draft-ietf-httpapi-ratelimit-headers, in the form of its revision 06, the last
// with one field for each number and the one that clients know.
const (
	rateLimitHeader          = "RateLimit-Limit"
	rateLimitRemainingHeader = "RateLimit-Remaining"
	rateLimitResetHeader     = "RateLimit-Reset"
)

// RateRules are the limits. One of zero does not exist.
type RateRules struct {
	All      ratelimit.Limit // any request
	Bookings ratelimit.Limit // a change of a booking, beside All
	Logins   ratelimit.Limit // a registration or a login, beside All
}

// RateLimits answers 429 to who asks too often, and tells everybody else how much is left. Its
// middlewares are alternatives: a route has one of them. Each costs a request one round trip.
type RateLimits struct {
	limiter *ratelimit.Limiter
	rules   RateRules
	log     *slog.Logger
}

// NewRateLimits gives the middlewares over limiter.
func NewRateLimits(limiter *ratelimit.Limiter, rules RateRules, log *slog.Logger) *RateLimits {
	return &RateLimits{limiter: limiter, rules: rules, log: log}
}

// Requests limits what has no limit of its own: behind Authenticate by user, and by client
// address where nobody is known. That includes a bad token, which is why it stands before
// RequireUser.
func (l *RateLimits) Requests(next http.Handler) http.Handler {
	return l.limit(next, []ratelimit.Limit{l.rules.All}, func(r *http.Request) []ratelimit.Budget {
		return []ratelimit.Budget{{Subject: subjectOf(r), Name: "requests", Limit: l.rules.All}}
	})
}

// Bookings limits changes of bookings. It stands where Requests does. Without a good token nothing
// can be changed, so then it is Requests.
func (l *RateLimits) Bookings(next http.Handler) http.Handler {
	return l.limit(next, []ratelimit.Limit{l.rules.All, l.rules.Bookings}, func(r *http.Request) []ratelimit.Budget {
		subject := subjectOf(r)
		budgets := []ratelimit.Budget{{Subject: subject, Name: "requests", Limit: l.rules.All}}
		if _, known := domain.IdentityFrom(r.Context()); known {
			budgets = append(budgets, ratelimit.Budget{Subject: subject, Name: "bookings", Limit: l.rules.Bookings})
		}
		return budgets
	})
}

// Logins limits registrations and logins, by client address and by the email in the body: one
// address cannot try many accounts, and many addresses cannot try one. It counts an email
// whether or not it has an account, and shows what is left of it to nobody.
func (l *RateLimits) Logins(next http.Handler) http.Handler {
	return l.limit(next, []ratelimit.Limit{l.rules.All, l.rules.Logins}, func(r *http.Request) []ratelimit.Budget {
		client := clientSubject(ClientIP(r.Context()))
		budgets := []ratelimit.Budget{
			{Subject: client, Name: "requests", Limit: l.rules.All},
			{Subject: client, Name: "logins", Limit: l.rules.Logins},
		}
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

// limit puts limits in front of next, as budgets that a request takes from. Where none of them exists,
// there is nothing to ask.
func (l *RateLimits) limit(next http.Handler, limits []ratelimit.Limit, budgets func(*http.Request) []ratelimit.Budget) http.Handler {
	if !slices.ContainsFunc(limits, func(one ratelimit.Limit) bool { return !one.Off() }) {
		return next
	}
	return respond.Adapt(l.log, func(w http.ResponseWriter, r *http.Request) error {
		result := l.limiter.Take(r.Context(), budgets(r)...)
		if result.Limit > 0 {
			header := w.Header()
			header.Set(rateLimitHeader, strconv.Itoa(result.Limit))
			header.Set(rateLimitRemainingHeader, strconv.Itoa(result.Remaining))
			header.Set(rateLimitResetHeader, strconv.FormatFloat(math.Ceil(result.Reset.Seconds()), 'f', 0, 64))
		}
		if !result.Allowed {
			return domain.ErrRateLimited.WithRetryAfter(max(result.Reset, time.Nanosecond))
		}
		next.ServeHTTP(w, r)
		return nil
	})
}

// subjectOf is whose requests are counted.
func subjectOf(r *http.Request) string {
	if user, known := domain.IdentityFrom(r.Context()); known {
		return "user:" + strconv.FormatInt(user.UserID, 10)
	}
	return clientSubject(ClientIP(r.Context()))
}

// ipv6Client is how many leading bits tell IPv6 clients apart: whoever has one address has the
// whole network of 64 bits. Those whose address is unknown share a budget.
const ipv6Client = 64

func clientSubject(addr netip.Addr) string {
	if addr.Is6() {
		network, err := addr.Prefix(ipv6Client)
		if err == nil {
			return "client:" + network.String()
		}
	}
	return "client:" + addr.String()
}

// emailSubject hashes the email, in the form in which accounts compare it, so that Redis stores none.
func emailSubject(email string) string {
	sum := sha256.Sum256([]byte(domain.EmailKey(email)))
	return "email:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// peekEmail gives the email in the JSON body of r. A body that has none, or is too long or broken,
// gives "": to refuse it is up to the handler, which takes nothing that peekEmail does not
// understand.
func peekEmail(r *http.Request) string {
	body, ok := peekBody(r)
	if !ok {
		return ""
	}
	var in struct {
		Email string `json:"email"`
	}
	if json.Unmarshal(body, &in) != nil {
		return ""
	}
	return in.Email
}
