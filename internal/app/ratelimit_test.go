package app_test

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/api/apitest"
	"evently/internal/testkit"
)

func from(client string) map[string]string { return map[string]string{"X-Forwarded-For": client} }

// user creates a user without a request, and returns the token.
func (i *instance) user(t testing.TB, email string) string {
	t.Helper()
	session, err := i.Services().Auth.Register(t.Context(), email, "password of "+email)
	if err != nil {
		t.Fatal(err)
	}
	return session.Token
}

func (r response) limited(t testing.TB, limit int) {
	t.Helper()
	r.want(t, http.StatusTooManyRequests, "rate_limited")
	seconds, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || seconds < 1 || seconds > 60 {
		t.Errorf("Retry-After: %q, want 1 to 60", r.header.Get("Retry-After"))
	}
	want := []string{strconv.Itoa(limit), "0", r.header.Get("Retry-After")}
	if diff := cmp.Diff(want, r.rateLimit()); diff != "" {
		t.Errorf("limit, remaining and reset (-want +got):\n%s", diff)
	}
}

func (r response) rateLimit() []string {
	return []string{
		r.header.Get("RateLimit-Limit"), r.header.Get("RateLimit-Remaining"), r.header.Get("RateLimit-Reset"),
	}
}

func TestRateLimit_HasItsHeaders(t *testing.T) {
	t.Parallel()
	i := start(t, "RATE_LIMIT_PER_MINUTE=2", "CORS_ALLOWED_ORIGINS=https://app.example.com")
	shows := request{path: "/api/v1/shows", header: map[string]string{"Origin": "https://app.example.com"}}
	first := i.send(t, shows).want(t, http.StatusOK, "")
	if diff := cmp.Diff([]string{"2", "1", "30"}, first.rateLimit()); diff != "" {
		t.Errorf("limit, remaining and reset (-want +got):\n%s", diff)
	}
	if exposed := first.header.Get("Access-Control-Expose-Headers"); !strings.Contains(strings.ToLower(exposed), "ratelimit-limit") {
		t.Errorf("exposed headers: %q", exposed)
	}
	i.send(t, shows).want(t, http.StatusOK, "")
	i.send(t, shows).limited(t, 2)
	i.send(t, request{path: "/api/v1/shows/1"}).limited(t, 2)
}

var parameter = regexp.MustCompile(`\{\w+\}`)

func TestRateLimit_AppliesToAllRoutesButHealth(t *testing.T) {
	t.Parallel()
	i := start(t)
	for _, route := range apitest.Routes() {
		method, path, _ := strings.Cut(route, " ")
		got := i.send(t, request{method: method, path: parameter.ReplaceAllString(path, "1")})
		has, want := got.header.Get("RateLimit-Limit") != "", !strings.HasPrefix(path, "/health")
		if has != want {
			t.Errorf("%s: limited is %t, want %t", route, has, want)
		}
	}
}

func TestRateLimit_HealthIsNeverLimited(t *testing.T) {
	t.Parallel()
	i := start(t, "RATE_LIMIT_PER_MINUTE=1")
	i.send(t, request{path: "/api-docs/swagger-ui-bundle.js"}).want(t, http.StatusOK, "")
	for _, path := range []string{"/", "/api-docs", "/api-docs/", "/api-docs/openapi.json", "/api-docs/swagger-ui.css", "/api/v1/shows"} {
		i.send(t, request{path: path}).limited(t, 1)
	}
	for range 3 {
		for _, path := range []string{"/health", "/health/live", "/health/ready", "/health/schema"} {
			if got := i.send(t, request{path: path}); got.status == http.StatusTooManyRequests {
				t.Errorf("%s is limited", path)
			}
		}
	}
}

func TestRateLimit_ZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	i := start(t, "RATE_LIMIT_PER_MINUTE=0", "BOOKING_RATE_LIMIT_PER_MINUTE=0", "AUTH_RATE_LIMIT_PER_MINUTE=0")
	token := i.register(t, "user@example.com")
	for _, in := range []request{
		{path: "/api/v1/shows"},
		{path: "/api/v1/user/bookings", token: token},
		{method: "POST", path: "/api/v1/bookings/1/cancel", token: token},
		{method: "POST", path: "/api/v1/auth/login", body: `{"email":"user@example.com","password":"wrong"}`},
	} {
		got := i.send(t, in)
		if got.status == http.StatusTooManyRequests || got.header.Get("RateLimit-Limit") != "" {
			t.Errorf("%s: %d with the headers %v", in.path, got.status, got.rateLimit())
		}
	}
}

func TestRateLimit_CountsByUserElseByAddress(t *testing.T) {
	t.Parallel()
	i := start(t, "RATE_LIMIT_PER_MINUTE=2")
	one, two := i.user(t, "one@example.com"), i.user(t, "two@example.com")
	mine := func(token string) request { return request{path: "/api/v1/user/bookings", token: token} }
	for range 2 {
		i.send(t, mine(one)).want(t, http.StatusOK, "")
	}
	i.send(t, mine(one)).limited(t, 2)
	i.send(t, request{path: "/api/v1/admin/venues", token: two}).want(t, http.StatusForbidden, "forbidden")
	i.send(t, mine(two)).want(t, http.StatusOK, "")
	i.send(t, mine(two)).limited(t, 2)

	// Requests without a valid token count against the address.
	i.send(t, mine("a.b.c")).want(t, http.StatusUnauthorized, "unauthorized")
	i.send(t, mine("")).want(t, http.StatusUnauthorized, "unauthorized")
	i.send(t, mine("d.e.f")).limited(t, 2)
	i.send(t, request{method: "POST", path: "/api/v1/bookings/lock"}).limited(t, 2)
	i.send(t, request{path: "/api/v1/shows"}).limited(t, 2)
}

func TestRateLimit_BookingWritesHaveTheirOwn(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "BOOKING_RATE_LIMIT_PER_MINUTE=3")
	i := b.instance
	other := startWith(t, i.cfg)
	token := i.user(t, "user@example.com")
	lock := request{
		method: "POST", path: "/api/v1/bookings/lock", token: token,
		body:   map[string]any{"show_id": b.show, "seat_ids": b.seats[:1]},
		header: map[string]string{"Idempotency-Key": "k"},
	}
	i.send(t, lock).want(t, http.StatusOK, "")
	replay := other.send(t, lock).want(t, http.StatusOK, "")
	if replay.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("not a replay: %v", replay.header)
	}
	if diff := cmp.Diff([]string{"3", "1", "40"}, replay.rateLimit()); diff != "" {
		t.Errorf("limit, remaining and reset (-want +got):\n%s", diff)
	}
	i.send(t, request{method: "POST", path: "/api/v1/bookings/lock", token: token, body: "{}"}).
		want(t, http.StatusBadRequest, "validation_failed")
	i.send(t, lock).limited(t, 3)
	other.send(t, request{method: "POST", path: "/api/v1/bookings/payments/simulate", token: token, body: "{}"}).limited(t, 3)
	other.send(t, request{method: "POST", path: "/api/v1/bookings/1/confirm", token: token}).limited(t, 3)
	i.send(t, request{path: "/api/v1/user/bookings", token: token}).want(t, http.StatusOK, "")
	i.send(t, request{method: "POST", path: "/api/v1/bookings/1099511627776/cancel", token: i.user(t, "other@example.com")}).
		want(t, http.StatusNotFound, "booking_not_found")
}

func TestRateLimit_StoresNoEmails(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.user(t, "known@example.com")
	i.send(t, request{
		method: "POST", path: "/api/v1/auth/login",
		body: map[string]any{"email": "known@example.com", "password": "a guess"},
	}).want(t, http.StatusUnauthorized, "invalid_credentials")

	options, err := redis.ParseURL(i.cfg.Redis.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, key := range keys {
		if strings.Contains(key, "known") {
			t.Errorf("%s contains an email", key)
		}
	}
}

func TestRateLimit_LoginsPerAddress(t *testing.T) {
	t.Parallel()
	i := start(t, "AUTH_RATE_LIMIT_PER_MINUTE=3")
	login := func(body string) response {
		return i.send(t, request{method: "POST", path: "/api/v1/auth/login", body: body})
	}
	login(`{"email":"a@example.com","password":"x"}`).want(t, http.StatusUnauthorized, "invalid_credentials")
	login(`{"email":`).want(t, http.StatusBadRequest, "invalid_json")
	login(`{"email":"`+strings.Repeat("a", 64<<10)+`"}`).want(t, http.StatusRequestEntityTooLarge, "body_too_large")
	login(`{"email":"b@example.com","password":"x"}`).limited(t, 3)
	i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
}

func TestRateLimit_UntrustedForwardedForIsIgnored(t *testing.T) {
	t.Parallel()
	i := start(t, "RATE_LIMIT_PER_MINUTE=2")
	shows := func(client string) response {
		return i.send(t, request{path: "/api/v1/shows", header: from(client)})
	}
	shows("192.0.2.1").want(t, http.StatusOK, "")
	shows("192.0.2.2").want(t, http.StatusOK, "")
	shows("192.0.2.3").limited(t, 2)
}

func TestRateLimit_IPv6ClientIsItsNetwork(t *testing.T) {
	t.Parallel()
	i := start(t, "RATE_LIMIT_PER_MINUTE=2", "TRUSTED_PROXIES=127.0.0.1")
	shows := func(client string) response {
		return i.send(t, request{path: "/api/v1/shows", header: from(client)})
	}
	shows("2001:db8:0:1::1").want(t, http.StatusOK, "")
	shows("[2001:db8:0:1:ffff::2]:443").want(t, http.StatusOK, "")
	shows("2001:db8:0:1:abcd::3").limited(t, 2)
	shows("2001:db8:0:2::1").want(t, http.StatusOK, "")
	shows("203.0.113.7, 192.0.2.1").want(t, http.StatusOK, "")
	shows("203.0.113.8, ::ffff:192.0.2.1").want(t, http.StatusOK, "")
	shows("203.0.113.9, 192.0.2.1").limited(t, 2)
	shows("192.0.2.2").want(t, http.StatusOK, "")
}

func TestRateLimit_WorksWithoutRedis(t *testing.T) {
	t.Parallel()
	store, redisURL := newProxy(t, testkit.RedisURL(t))
	i := start(t, "RATE_LIMIT_PER_MINUTE=5", "REDIS_URL="+redisURL)
	store.set(refusing)
	for range 5 {
		i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	}
	i.send(t, request{path: "/api/v1/shows"}).limited(t, 5)
	if lines := i.logged(t, "redis circuit breaker opened"); len(lines) != 1 {
		t.Errorf("%d lines about the outage, want 1", len(lines))
	}
}
