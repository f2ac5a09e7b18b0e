package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/app"
	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/testkit"
)

// What people and programs entrust to Evently, and everything else that would help a thief, stays
// out of the log, at every level and on the way of every error.
func TestNoSecretIsEverLogged(t *testing.T) {
	t.Parallel()
	const password, email, secret = "correct-horse-battery", "somebody.special@example.com", "0123456789abcdef-signing-secret-0123456789"
	databaseProxy, databaseURL := newProxy(t, testkit.DatabaseURL(t))
	redisProxy, redisURL := newProxy(t, testkit.RedisURL(t))
	b := openBoxOffice(t, "DATABASE_URL="+databaseURL, "REDIS_URL="+redisURL, "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=special-api-key",
		"JWT_SECRET="+secret, "LOG_LEVEL=debug", "APP_ENV=production",
		"ADMIN_EMAIL=root.special@example.com", "ADMIN_PASSWORD=root-password-special", "CLEANUP_SCHEDULE=@every 1s")
	credentials := map[string]any{"email": email, "password": password}
	post := func(path, token string, body any) response {
		return b.send(t, request{method: http.MethodPost, path: "/api/v1" + path, token: token, body: body,
			header: map[string]string{"Idempotency-Key": "special-key-" + fmt.Sprint(len(path))}})
	}
	token := post("/auth/register", "", credentials).want(t, http.StatusCreated, "").body["token"].(string)
	post("/auth/register", "", credentials).want(t, http.StatusConflict, "email_taken")
	post("/auth/login", "", map[string]any{"email": email, "password": password + "!"}).want(t, http.StatusUnauthorized, "invalid_credentials")
	post("/auth/login", "", map[string]any{"email": email, "password": password, "token": token}).want(t, http.StatusBadRequest, "unknown_field")
	login := b.login(t, email, password)
	booking := b.hold(t, login, b.seats[0])
	b.pay(t, login, booking, 450).want(t, http.StatusOK, "")
	b.confirm(t, login, booking).want(t, http.StatusOK, "")
	b.send(t, request{path: "/api/v1/user/bookings?token=" + login, token: login})
	b.send(t, request{path: "/api/v1/user/bookings", token: login + "x"}).want(t, http.StatusUnauthorized, "unauthorized")
	b.send(t, request{path: "/" + email, token: login}).want(t, http.StatusNotFound, "route_not_found")
	// Errors of drivers tell much, at times.
	redisProxy.set(refusing)
	b.lock(t, login, b.seats[1]).want(t, http.StatusOK, "")
	databaseProxy.set(refusing)
	b.lock(t, login, b.seats[2]).want(t, http.StatusServiceUnavailable, "database_unavailable")
	post("/auth/login", "", credentials).want(t, http.StatusServiceUnavailable, "database_unavailable")
	b.send(t, request{path: "/health"}).want(t, http.StatusServiceUnavailable, "")
	databaseProxy.set(passing) // so that it ends well

	log := b.log.String()
	if !strings.Contains(log, `"level":"ERROR"`) || !strings.Contains(log, "health check failed") {
		t.Fatal("no error was logged: this looked at nothing")
	}
	for name, value := range map[string]string{
		"password": password, "email": email, "part of the email": "somebody.special", "signing secret": secret,
		"token of the register": token, "token of the login": login, "signature": login[strings.LastIndex(login, ".")+1:],
		"admin's password": "root-password-special", "admin's email": "root.special", "idempotency key": "special-key",
		"a bcrypt hash": "$2a$", "a header": "Bearer", "key of the collector": "special-api-key",
		"password of the database": passwordOf(t, databaseURL), "password of Redis": passwordOf(t, redisURL),
	} {
		if strings.Contains(log, value) {
			for line := range strings.Lines(log) {
				if strings.Contains(line, value) {
					t.Errorf("the %s is logged: %s", name, line)
				}
			}
		}
	}
}

func passwordOf(t *testing.T, storeURL string) string {
	t.Helper()
	u, err := url.Parse(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	if password == "" {
		t.Fatal("the store has no password that could be logged")
	}
	return password
}

func TestLogSamplingIsASetting(t *testing.T) {
	t.Parallel()
	i := start(t, "LOG_SAMPLE_RATIO=0", "LOG_SLOW_AFTER=10m")
	i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	i.send(t, request{path: "/api/v1/shows/4711"}).want(t, http.StatusNotFound, "show_not_found")
	if lines := i.logged(t, "request"); len(lines) != 1 || lines[0]["status"] != 404.0 {
		t.Errorf("with no line for what went well, these were logged: %v", lines)
	}
}

// In an overload every request is turned away for the same reason: that is said now and then, with
// how often, and never for each of them.
func TestAnOverloadDoesNotFloodTheLog(t *testing.T) {
	t.Parallel()
	cfg := configure(t, "LOG_LEVEL=info")
	out := &lockedBuffer{}
	log := app.NewLogger(cfg, out)
	start := time.Now()
	turnAway := func(err *domain.Error, after time.Duration) {
		t.Helper()
		handler := stamped{log.With("with", "more").Handler(), start.Add(after)}
		w := httptest.NewRecorder()
		respond.Error(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), slog.New(handler), err)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%d", w.Code)
		}
	}
	for range 1000 {
		turnAway(domain.ErrOverloaded, 0)
	}
	turnAway(domain.ErrDatabaseUnavailable, 0) // another reason
	turnAway(domain.ErrOverloaded, time.Second-1)
	turnAway(domain.ErrOverloaded, time.Second)
	turnAway(domain.ErrOverloaded, 2*time.Second)
	respond.Error(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), log, domain.ErrInternal)
	respond.Error(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil), log, domain.ErrInternal)

	type line struct {
		Level, Msg, Code string
		LeftOut          int `json:"left_out"`
	}
	var got []line
	for text := range strings.Lines(out.String()) {
		var one line
		if err := json.Unmarshal([]byte(text), &one); err != nil {
			t.Fatal(err)
		}
		got = append(got, one)
	}
	want := []line{
		{"WARN", "request turned away", "overloaded", 0},
		{"WARN", "request turned away", "database_unavailable", 0},
		{"WARN", "request turned away", "overloaded", 1000},
		{"WARN", "request turned away", "overloaded", 0},
		{"ERROR", "request failed", "internal", 0},
		{"ERROR", "request failed", "internal", 0},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// stamped gives every line one time.
type stamped struct {
	slog.Handler
	at time.Time
}

func (h stamped) Handle(ctx context.Context, record slog.Record) error {
	record.Time = h.at
	return h.Handler.Handle(ctx, record)
}

func TestEveryRequestIsOneLine(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "APP_ENV=production", "LOG_LEVEL=info")
	token := b.user(t)
	sent := map[string]int{}
	for i := range 40 {
		in := request{path: "/api/v1/user/bookings", token: token}
		if i%2 == 1 {
			in = request{path: "/api/v1/shows/4711"}
		}
		in.header = map[string]string{"X-Request-ID": fmt.Sprintf("request-%d", i)}
		b.send(t, in)
		sent[fmt.Sprintf("request-%d", i)]++
	}
	for line := range strings.Lines(b.log.String()) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("a line is no JSON: %v in %s", err, line)
		}
		if entry["msg"] != "request" {
			continue
		}
		id, _ := entry["request_id"].(string)
		sent[id]--
		for _, name := range []string{"time", "level", "method", "route", "status", "duration"} {
			if _, there := entry[name]; !there {
				t.Errorf("no %s in %s", name, line)
			}
		}
		if entry["route"] == "/api/v1/user/bookings" && entry["user_id"] == nil {
			t.Errorf("no user_id in %s", line)
		}
	}
	for id, left := range sent {
		if left != 0 {
			t.Errorf("%s has %d lines too few", id, left)
		}
	}
}
