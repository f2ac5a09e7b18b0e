package middleware_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/middleware"
	"evently/internal/ratelimit"
	"evently/internal/rediskit"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// door is a login behind the limits, whose only right password is "right".
type door struct{ handler http.Handler }

func newDoor(t *testing.T, rules middleware.RateRules) door {
	t.Helper()
	limiter := ratelimit.New(testkit.Rediskit(t, testkit.Redis(t), rediskit.Options{}), ratelimit.Options{})
	limits := middleware.NewRateLimits(limiter, rules, slog.New(slog.DiscardHandler))
	login := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Password") != "right" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	return door{limits.Logins(limits.Failures(login))}
}

// try logs in from an address and returns the status.
func (d door) try(t *testing.T, address, email, password string) int {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"email":%q}`, email))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
	r.Header.Set("Password", password)
	request := &domain.Request{ClientAddr: netip.MustParseAddr(address)}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r.WithContext(domain.WithRequest(r.Context(), request)))
	if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	return w.Code
}

func signInRules(logins, failures int) middleware.RateRules {
	return middleware.RateRules{
		Logins:   ratelimit.Limit{Requests: logins, Per: 24 * time.Hour},
		Failures: ratelimit.Limit{Requests: failures, Per: 24 * time.Hour},
	}
}

// An address that is refused already must not take from the budgets of accounts.
func TestFailures_RefusedAddressLocksNobodyOut(t *testing.T) {
	t.Parallel()
	d := newDoor(t, signInRules(3, 5))
	for n := range 20 {
		want := http.StatusUnauthorized
		if n >= 3 {
			want = http.StatusTooManyRequests
		}
		if got := d.try(t, "192.0.2.1", "ada@example.com", "a guess"); got != want {
			t.Fatalf("guess %d: %d, want %d", n+1, got, want)
		}
	}
	if got := d.try(t, "198.51.100.1", "ada@example.com", "right"); got != http.StatusOK {
		t.Errorf("the owner: %d", got)
	}
}

func TestFailures_ManyAddressesHaveOneBudgetOfAnAccount(t *testing.T) {
	t.Parallel()
	d := newDoor(t, signInRules(20, 5))
	known := "198.51.100.1"
	for range 10 { // successes are not counted
		if got := d.try(t, known, "ada@example.com", "right"); got != http.StatusOK {
			t.Fatalf("the owner: %d", got)
		}
	}
	for n := range 5 {
		if got := d.try(t, fmt.Sprintf("192.0.2.%d", n+1), "ADA@example.com", "a guess"); got != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", n+1, got)
		}
	}
	if got := d.try(t, "192.0.2.99", "ada@example.com", "right"); got != http.StatusTooManyRequests {
		t.Errorf("an address that the account was never seen at: %d", got)
	}
	if got := d.try(t, known, "ada@example.com", "right"); got != http.StatusOK {
		t.Errorf("the owner, from an address where they have signed in: %d", got)
	}
	if got := d.try(t, "192.0.2.99", "bob@example.com", "right"); got != http.StatusOK {
		t.Errorf("another account: %d", got)
	}
	// The owner's own address has a budget too.
	for range 5 {
		d.try(t, known, "ada@example.com", "a guess")
	}
	if got := d.try(t, known, "ada@example.com", "right"); got != http.StatusTooManyRequests {
		t.Errorf("after five guesses from the owner's address: %d", got)
	}
}

func TestRequests_AreLimitedByNetworkBehindTokens(t *testing.T) {
	t.Parallel()
	limiter := ratelimit.New(testkit.Rediskit(t, testkit.Redis(t), rediskit.Options{}), ratelimit.Options{})
	limits := middleware.NewRateLimits(limiter, middleware.RateRules{
		All:     ratelimit.Limit{Requests: 100, Per: time.Minute},
		Network: ratelimit.Limit{Requests: 3, Per: 24 * time.Hour},
	}, slog.New(slog.DiscardHandler))
	handler := limits.Requests(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	user := int64(0)
	send := func(address string) int {
		user++ // each has a budget of their own
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		request := &domain.Request{ClientAddr: netip.MustParseAddr(address), Identity: &domain.Identity{UserID: user}}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(domain.WithRequest(r.Context(), request)))
		return w.Code
	}
	passing := func(addresses ...string) (n int) {
		for _, address := range addresses {
			if send(address) == http.StatusOK {
				n++
			}
		}
		return n
	}
	if n := passing("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"); n != 4 {
		t.Errorf("%d passed from two IPv4 addresses, want 3 and 1", n)
	}
	// Four times as many from a /56, sixteen times as many from a /48.
	var networks []string
	for site := range 8 {
		for subnet := range 8 {
			for range 4 {
				networks = append(networks, fmt.Sprintf("2001:db8:1:%x::1", site<<8|subnet))
			}
		}
	}
	if n := passing(networks...); n != 48 {
		t.Errorf("%d passed from one /48, want 48", n)
	}
	if n := passing("2001:db8:2:1::1", "2001:db8:2:1::2", "2001:db8:2:1::3", "2001:db8:2:1::4", "2001:db8:2:2::1"); n != 4 {
		t.Errorf("%d passed from two /64, want 3 and 1", n)
	}
}
