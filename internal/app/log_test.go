package app_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"evently/internal/testkit"
)

func TestLog_ContainsNoSecrets(t *testing.T) {
	t.Parallel()
	const password, email = "correct-horse-battery", "somebody.special@example.com"
	secret, adminPassword := rand.Text()+rand.Text(), rand.Text()
	databaseProxy, databaseURL := newProxy(t, testkit.DatabaseURL(t))
	redisProxy, redisURL := newProxy(t, testkit.RedisURL(t))
	b := openBoxOffice(t, "DATABASE_URL="+databaseURL, "REDIS_URL="+redisURL, "OTEL_EXPORTER_OTLP_HEADERS=x-api-key=special-api-key",
		"JWT_SECRET="+secret, "LOG_LEVEL=debug", "APP_ENV=production", "PAYMENT_SIMULATED_OUTCOMES=true",
		"ADMIN_EMAIL=root.special@example.com", "ADMIN_PASSWORD="+adminPassword, "CLEANUP_SCHEDULE=@every 1s")
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
	// Driver errors may contain connection strings.
	redisProxy.set(refusing)
	b.lock(t, login, b.seats[1]).want(t, http.StatusOK, "")
	databaseProxy.set(refusing)
	b.lock(t, login, b.seats[2]).want(t, http.StatusServiceUnavailable, "database_unavailable")
	post("/auth/login", "", credentials).want(t, http.StatusServiceUnavailable, "database_unavailable")
	b.send(t, request{path: "/health"}).want(t, http.StatusServiceUnavailable, "")
	databaseProxy.set(passing) // for the shutdown

	log := b.log.String()
	if !strings.Contains(log, `"level":"WARN"`) || !strings.Contains(log, "health check failed") {
		t.Fatal("no error was logged")
	}
	for name, value := range map[string]string{
		"password": password, "email": email, "part of the email": "somebody.special", "signing secret": secret,
		"token of the register": token, "token of the login": login, "signature": login[strings.LastIndex(login, ".")+1:],
		"admin's password": adminPassword, "admin's email": "root.special", "idempotency key": "special-key",
		"a bcrypt hash": "$2a$", "a header": "Bearer", "key of the collector": "special-api-key",
		"password of the database": passwordOf(t, databaseURL), "password of Redis": passwordOf(t, redisURL),
	} {
		if strings.Contains(log, value) {
			for line := range strings.Lines(log) {
				if strings.Contains(line, value) {
					t.Errorf("%s is logged: %s", name, line)
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
		t.Fatal("the store URL has no password")
	}
	return password
}

func TestLogSampling_IsConfigured(t *testing.T) {
	t.Parallel()
	i := start(t, "LOG_SAMPLE_RATIO=0", "LOG_SLOW_AFTER=10m")
	i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	i.send(t, request{path: "/api/v1/shows/4711"}).want(t, http.StatusNotFound, "show_not_found")
	if lines := i.logged(t, "request"); len(lines) != 1 || lines[0]["status"] != 404.0 {
		t.Errorf("logged %v, want only the 404", lines)
	}
}

func TestAccessLog_HasOneLinePerRequest(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
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
			t.Fatalf("line is not JSON: %v in %s", err, line)
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
			t.Errorf("%s: %d lines are missing", id, left)
		}
	}
}
