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

// lastRequest returns the last line about a request, which is written after its response.
func (i *instance) lastRequest(t *testing.T, id string) (line map[string]any) {
	t.Helper()
	eventually(t, "the line of request "+id, func() bool {
		for _, one := range i.logged(t, "request") {
			if one["request_id"] == id {
				line = one
			}
		}
		return line != nil
	})
	return line
}

func TestAccessLog_NamesWhatAnAdminChanges(t *testing.T) {
	t.Parallel()
	i := start(t, "LOG_SAMPLE_RATIO=0", "LOG_SLOW_AFTER=10m")
	token := i.admin(t)
	change := func(method, path string, body map[string]any, want string) response {
		t.Helper()
		got := i.send(t, request{method: method, path: "/api/v1/admin" + path, token: token, body: body})
		if got.status >= http.StatusBadRequest {
			t.Fatalf("%s %s: %s", method, path, got.raw)
		}
		if kind, id, _ := strings.Cut(want, ":"); id == "" { // of what was created
			want = fmt.Sprintf("%s:%d", kind, got.id(t, kind+"."+kind+"_id"))
		}
		if line := i.lastRequest(t, got.header.Get("X-Request-ID")); line["object"] != want {
			t.Errorf("%s %s: object %v, want %s", method, path, line["object"], want)
		}
		return got
	}
	venue := change("POST", "/venues", map[string]any{"venue_name": "Hall", "address": "1 Road"}, "venue").id(t, "venue.venue_id")
	event := change("POST", "/events", map[string]any{"title": "Play"}, "event").id(t, "event.event_id")
	show := change("POST", "/shows", map[string]any{
		"event_id": event, "venue_id": venue, "price": 1,
		"start_time": "2190-01-01T20:00:00Z", "end_time": "2190-01-01T22:00:00Z",
	}, "show").id(t, "show.show_id")
	seats := map[string]any{"seats": []any{map[string]any{"seat_row": "A", "seat_number": 1}}}
	venueObject, eventObject, showObject := fmt.Sprintf("venue:%d", venue), fmt.Sprintf("event:%d", event), fmt.Sprintf("show:%d", show)
	venuePath, eventPath, showPath := fmt.Sprintf("/venues/%d", venue), fmt.Sprintf("/events/%d", event), fmt.Sprintf("/shows/%d", show)
	change("POST", venuePath+"/seats", seats, venueObject)
	change("PUT", venuePath, map[string]any{"venue_name": "Arena"}, venueObject)
	change("PUT", eventPath, map[string]any{"title": "Opera"}, eventObject)
	change("PUT", showPath, map[string]any{"price": 2}, showObject)
	change("PUT", fmt.Sprintf("/waiting-rooms/%d", show), map[string]any{"batch_size": 1}, showObject)
	change("DELETE", showPath, nil, showObject)
	change("DELETE", venuePath+"/seats", seats, venueObject)
	change("DELETE", venuePath, nil, venueObject)
	change("DELETE", eventPath, nil, eventObject)
	i.user(t, "user@example.com")
	users := i.send(t, request{path: "/api/v1/admin/users?email=user@", token: token}).member(t, "users").([]any)
	user := users[0].(map[string]any)["user_id"].(float64)
	change("PUT", fmt.Sprintf("/users/%d", int64(user)), map[string]any{"blocked": true}, fmt.Sprintf("user:%d", int64(user)))
}

func TestAccessLog_FailedLoginHasAHashOfTheEmail(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.user(t, "known@example.com")
	hashOf := func(email, password string) any {
		got := i.send(t, request{method: "POST", path: "/api/v1/auth/login", body: map[string]any{"email": email, "password": password}})
		return i.lastRequest(t, got.header.Get("X-Request-ID"))["email_hash"]
	}
	known, spelled := hashOf("known@example.com", "wrong"), hashOf(" Known@Example.com", "wrong")
	if known == nil || known != spelled {
		t.Errorf("hashes %v and %v, want one", known, spelled)
	}
	if other := hashOf("other@example.com", "wrong"); other == nil || other == known {
		t.Errorf("hashes %v and %v, want two", known, other)
	}
	if good := hashOf("known@example.com", "password of known@example.com"); good != nil {
		t.Errorf("a login that went well has the hash %v", good)
	}
	if strings.Contains(strings.ToLower(i.log.String()), "@example.com") {
		t.Error("an email is in the log")
	}
}
