package middleware

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync"

	"evently/internal/domain"
	"evently/internal/respond"
)

// StreamRules are how many event streams may be open at once on this instance. 0 is no limit.
type StreamRules struct {
	PerUser    int
	PerAddress int // of a client: an IPv4 address or an IPv6 /64
	// Proxied means that addresses are those of clients although a proxy is in front. Else a private address may be the
	// proxy of all clients, and has no limit.
	Proxied bool
}

// Streams responds with 429 to too many event streams. All routes of streams share one.
type Streams struct {
	rules StreamRules
	log   *slog.Logger

	mu   sync.Mutex
	open map[string]int // by subject
}

// NewStreams returns the middleware.
func NewStreams(rules StreamRules, log *slog.Logger) *Streams {
	return &Streams{rules: rules, log: log, open: map[string]int{}}
}

// Limit counts a request as an open stream until its handler returns.
func (s *Streams) Limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limits := s.limits(domain.RequestFrom(r.Context()))
		if !s.begin(limits) {
			respond.Error(w, r, s.log, domain.ErrTooManyStreams)
			return
		}
		defer s.end(limits)
		next.ServeHTTP(w, r)
	})
}

// limits returns the limits of a request by subject.
func (s *Streams) limits(request *domain.Request) map[string]int {
	limits := map[string]int{}
	if request.Identity != nil && s.rules.PerUser > 0 {
		limits["user:"+strconv.FormatInt(request.Identity.UserID, 10)] = s.rules.PerUser
	}
	if s.rules.PerAddress > 0 && (s.rules.Proxied || isPublic(request.ClientAddr)) {
		limits[clientSubject(request.ClientAddr)] = s.rules.PerAddress
	}
	return limits
}

func isPublic(addr netip.Addr) bool {
	return addr.IsValid() && !addr.IsPrivate() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast()
}

func (s *Streams) begin(limits map[string]int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for subject, limit := range limits {
		if s.open[subject] >= limit {
			return false
		}
	}
	for subject := range limits {
		s.open[subject]++
	}
	return true
}

func (s *Streams) end(limits map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for subject := range limits {
		if s.open[subject]--; s.open[subject] == 0 {
			delete(s.open, subject)
		}
	}
}
