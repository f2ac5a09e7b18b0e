package middleware_test

import (
	"context"
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
	w := d.tryIn(t.Context(), address, email, password)
	if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	return w.Code
}

func (d door) tryIn(ctx context.Context, address, email, password string) *httptest.ResponseRecorder {
	body := strings.NewReader(fmt.Sprintf(`{"email":%q}`, email))
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", body)
	r.Header.Set("Password", password)
	request := &domain.Request{ClientAddr: netip.MustParseAddr(address)}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r.WithContext(domain.WithRequest(r.Context(), request)))
	return w
}

func newDoorOf(handler http.Handler) door { return door{handler} }

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

// A client that hangs up gets no guess for nothing, and takes nothing from others.
func TestFailures_ClientsWhoHangUpCount(t *testing.T) {
	t.Parallel()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	d := newDoor(t, signInRules(1000, 5))
	for n := range 5 {
		if got := d.tryIn(gone, fmt.Sprintf("192.0.2.%d", n+1), "ada@example.com", "a guess"); got.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", n+1, got.Code)
		}
	}
	if got := d.try(t, "192.0.2.99", "ada@example.com", "a guess"); got != http.StatusTooManyRequests {
		t.Errorf("after five guesses of clients who hung up: %d", got)
	}

	limiter := ratelimit.New(testkit.Rediskit(t, testkit.Redis(t), rediskit.Options{}), ratelimit.Options{})
	own := ratelimit.Budget{Subject: "user:1", Name: "requests", Limit: ratelimit.Limit{Requests: 1, Per: time.Hour}}
	network := ratelimit.Budget{Subject: "network:x", Name: "requests", Limit: ratelimit.Limit{Requests: 10, Per: time.Hour}}
	for range 50 {
		limiter.Take(gone, own, network)
	}
	if got := limiter.Take(t.Context(), network); !got.Allowed || got.Remaining != 8 {
		t.Errorf("the network has %d left, want 8: refused requests took from it", got.Remaining)
	}
}

// One who has only registered yet is known at their address, too.
func TestRemember_RegistrationIsASignIn(t *testing.T) {
	t.Parallel()
	limiter := ratelimit.New(testkit.Rediskit(t, testkit.Redis(t), rediskit.Options{}), ratelimit.Options{})
	limits := middleware.NewRateLimits(limiter, signInRules(1000, 5), slog.New(slog.DiscardHandler))
	door := func(status int) door {
		answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if status == http.StatusUnauthorized {
			return newDoorOf(limits.Failures(answer))
		}
		return newDoorOf(limits.Remember(answer))
	}
	door(http.StatusCreated).try(t, "198.51.100.1", "ada@example.com", "")
	door(http.StatusConflict).try(t, "198.51.100.2", "ada@example.com", "")
	for n := range 5 {
		door(http.StatusUnauthorized).try(t, fmt.Sprintf("192.0.2.%d", n+1), "ada@example.com", "a guess")
	}
	if got := door(http.StatusUnauthorized).try(t, "198.51.100.1", "ada@example.com", ""); got != http.StatusUnauthorized {
		t.Errorf("where the account was registered: %d", got)
	}
	if got := door(http.StatusUnauthorized).try(t, "198.51.100.2", "ada@example.com", ""); got != http.StatusTooManyRequests {
		t.Errorf("where somebody else tried to register it: %d", got)
	}
}

// Addresses of one IPv6 site share budgets of logins.
func TestLogins_AreLimitedByNetwork(t *testing.T) {
	t.Parallel()
	d := newDoor(t, signInRules(2, 1000))
	guesses := func(network string) int {
		for n := range 200 {
			if d.try(t, fmt.Sprintf(network, n), fmt.Sprintf("%d@example.com", n), "a guess") == http.StatusTooManyRequests {
				return n
			}
		}
		return 200
	}
	if n := guesses("2001:db8:1:%x::1"); n != 8 { // the /64s of one /56
		t.Errorf("a /56 has %d guesses, want 8", n)
	}
	if n := guesses("2001:db8:2:%x00::1"); n != 32 { // the /56s of one /48
		t.Errorf("a /48 has %d guesses, want 32", n)
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
