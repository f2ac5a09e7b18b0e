package app_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evently/internal/app"
	"evently/internal/schema"
	"evently/internal/telemetry"
	"evently/internal/testkit"
)

// await polls path until the response has the status and the member. Health is measured once a second.
func (i *instance) await(t testing.TB, path string, status int, member, want string) (got response) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d from %s with %s %s", status, path, member, want), func() bool {
		got = i.send(t, request{path: path})
		return got.status == status && got.body[member] == want
	})
	return got
}

func TestHealth_IsOK(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.await(t, "/health", http.StatusOK, "status", "OK")
	i.await(t, "/health/live", http.StatusOK, "status", "OK")
	i.await(t, "/health/ready", http.StatusOK, "status", "OK")
	i.await(t, "/health/schema", http.StatusOK, "status", "OK")
}

func TestHealth_IsDegradedWithoutRedis(t *testing.T) {
	t.Parallel()
	redis, redisURL := newProxy(t, testkit.RedisURL(t))
	redis.set(refusing)
	i := start(t, "REDIS_URL="+redisURL)
	got := i.await(t, "/health", http.StatusOK, "status", "DEGRADED")
	if redis, database := got.member(t, "checks.redis.status"), got.member(t, "checks.database.status"); redis != "DOWN" || database != "OK" {
		t.Errorf("redis %v, database %v", redis, database)
	}
	i.await(t, "/health/ready", http.StatusOK, "status", "OK")
	redis.set(passing)
	i.await(t, "/health", http.StatusOK, "status", "OK")
}

func TestHealth_IsDownWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]proxyMode{"refusing": refusing, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database, databaseURL := newProxy(t, testkit.DatabaseURL(t))
			i := start(t, "DATABASE_URL="+databaseURL, "DATABASE_QUERY_TIMEOUT=500ms")
			i.await(t, "/health", http.StatusOK, "status", "OK")

			database.set(mode)
			i.await(t, "/health", http.StatusServiceUnavailable, "status", "DOWN")
			i.await(t, "/health/ready", http.StatusServiceUnavailable, "status", "DOWN")
			i.await(t, "/health/schema", http.StatusServiceUnavailable, "status", "DOWN")
			i.await(t, "/health/live", http.StatusOK, "status", "OK")
			got := i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusServiceUnavailable, "database_unavailable")
			if got.header.Get("Retry-After") == "" || strings.Contains(string(got.raw), "127.0.0.1") {
				t.Errorf("Retry-After %q, body %s", got.header.Get("Retry-After"), got.raw)
			}
			if mode == silent {
				database.set(refusing) // closes the silent connections
			}
			database.set(passing)
			i.await(t, "/health", http.StatusOK, "status", "OK")
			i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
		})
	}
}

func TestHealth_MissingIndexIsAMismatch(t *testing.T) {
	t.Parallel()
	i := start(t)
	testkit.Exec(t, testkit.Connect(t, i.cfg.Database.URL.Reveal()), `DROP INDEX bookings_user_idx`)
	got := i.await(t, "/health/schema", http.StatusServiceUnavailable, "status", "MISMATCH")
	if diff := cmp.Diff([]any{"bookings_user_idx"}, got.member(t, "missing_indexes")); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	i.await(t, "/health", http.StatusOK, "status", "DEGRADED")
}

func TestHealth_IsStartingBeforeRun(t *testing.T) {
	t.Parallel()
	cfg := configure(t)
	a, err := app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, io.Discard), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health/ready", nil))
	if w.Code != http.StatusServiceUnavailable || w.Body.String() != `{"status":"STARTING"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if err := a.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNew_PortInUseIsAnError(t *testing.T) {
	t.Parallel()
	i := start(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(i.url, "http://"), ":")
	cfg := configure(t, "PORT="+port)
	_, err := app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, io.Discard)})
	if err == nil || !strings.Contains(err.Error(), ":"+port+" is in use") {
		t.Errorf("error %v", err)
	}
}

func TestNew_ConcurrentInstancesMigrateOnce(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + testkit.EmptyDatabaseURL(t), "REDIS_URL=" + testkit.RedisURL(t)}
	var all sync.WaitGroup
	for range 3 {
		cfg := configure(t, settings...)
		all.Go(func() {
			a, err := app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, io.Discard)})
			if err != nil {
				t.Error(err)
				return
			}
			if err := a.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestNew_OldSchemaWithoutMigrationsIsAnError(t *testing.T) {
	t.Parallel()
	cfg := configure(t, "DATABASE_URL="+testkit.EmptyDatabaseURL(t), "MIGRATE_ON_START=false")
	_, err := app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, io.Discard)})
	if err == nil || !strings.Contains(err.Error(), "evently migrate up") {
		t.Errorf("error %v", err)
	}
}

func TestNew_NewerSchemaIsAnErrorUnlessAllowed(t *testing.T) {
	t.Parallel()
	for _, migrate := range []string{"true", "false"} {
		t.Run("MIGRATE_ON_START="+migrate, func(t *testing.T) {
			t.Parallel()
			url := testkit.DatabaseURL(t)
			testkit.Exec(t, testkit.Connect(t, url), `INSERT INTO evently_migrations (version_id, is_applied) VALUES (99999, true)`)
			cfg := configure(t, "DATABASE_URL="+url, "MIGRATE_ON_START="+migrate)
			_, err := app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, io.Discard)})
			if !errors.Is(err, schema.ErrDatabaseAhead) || !strings.Contains(err.Error(), "[99999]") {
				t.Errorf("error %v", err)
			}
			i := start(t, "DATABASE_URL="+url, "MIGRATE_ON_START="+migrate, "ALLOW_NEWER_SCHEMA=true")
			if len(i.logged(t, "the database is newer than this binary")) != 1 {
				t.Error("no warning was logged")
			}
			i.await(t, "/health/schema", http.StatusServiceUnavailable, "status", "MISMATCH")
			i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
		})
	}
}

func TestNew_MissingDatabaseIsAnErrorAtOnce(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(testkit.DatabaseURL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path += "_missing"
	cfg := configure(t, "DATABASE_URL="+u.String())
	log := &lockedBuffer{}
	_, err = app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, log)})
	if err == nil || strings.Contains(log.String(), "waiting for the database") {
		t.Errorf("error %v, logged %s", err, log)
	}
}

func TestShutdown_RunningRequestIsFinished(t *testing.T) {
	t.Parallel()
	i := start(t)
	conn, err := dial(t, i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	body := `{"email":"nobody@example.com","password":"wrong password"}`
	send := func(text string) {
		t.Helper()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	send(fmt.Sprintf("POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body)))
	responses := bufio.NewReader(conn)
	// The server sends 100 Continue when the handler reads the body.
	if line, err := responses.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := responses.ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	i.stop()
	i.untilRefused(t)
	select {
	case <-i.ended:
		t.Fatal("the instance stopped before its request was finished")
	default:
	}
	send(body)
	got, err := http.ReadResponse(responses, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	if got.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", got.StatusCode)
	}
	<-i.ended
}

func (i *instance) untilRefused(t testing.TB) {
	t.Helper()
	eventually(t, "the listener to close", func() bool {
		conn, err := dial(t, i.Addr())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

func TestShutdown_DrainingInstanceServesAndIsNotReady(t *testing.T) {
	t.Parallel()
	i := start(t, "DRAIN_DELAY=3s")
	i.stop()
	i.await(t, "/health/ready", http.StatusServiceUnavailable, "status", "DRAINING")
	i.send(t, request{path: "/api/v1/shows"}).want(t, http.StatusOK, "")
	<-i.ended
}

func TestShutdown_EndlessRequestIsAborted(t *testing.T) {
	t.Parallel()
	cfg := configure(t, "SHUTDOWN_TIMEOUT=100ms")
	a, err := app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, io.Discard)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	conn, err := dial(t, a.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+
		"Content-Length: 9\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	stop()
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run returned %v, want the deadline", err)
	}
}

func TestSchedule_RunsTheCleanup(t *testing.T) {
	t.Parallel()
	i := start(t, "CLEANUP_SCHEDULE=@every 1s")
	token := i.register(t, "user@example.com")
	pool := testkit.Connect(t, i.cfg.Database.URL.Reveal())
	show := testkit.NewShow(t, pool, testkit.Show{})
	held := i.send(t, request{method: "POST", path: "/api/v1/bookings/lock", token: token, body: map[string]any{
		"show_id": show, "seat_ids": testkit.SeatIDs(t, pool, show)[:2],
	}}).want(t, http.StatusOK, "")
	testkit.Expire(t, pool, held.id(t, "booking_id"))
	eventually(t, "the cleanup", func() bool {
		return testkit.Value[string](t, pool, `SELECT status::text FROM bookings`) == "CANCELLED"
	})
}

// Whoever registers the address first does not become an admin, and cannot keep the service from starting.
func TestAdmin_OfTheConfigurationIsNotMadeOfAUser(t *testing.T) {
	t.Parallel()
	database := testkit.DatabaseURL(t)
	first := start(t, "DATABASE_URL="+database)
	first.register(t, "root@example.com")
	i := start(t, "DATABASE_URL="+database, "ADMIN_EMAIL=root@example.com", "ADMIN_PASSWORD=root-password")
	i.send(t, request{path: "/health/live"}).want(t, http.StatusOK, "")
	warnings := i.logged(t, "the account of ADMIN_EMAIL stays as it is")
	if len(warnings) != 1 || warnings[0]["level"] != "WARN" || !strings.Contains(fmt.Sprint(warnings[0]["reason"]), "evently admin promote --email root@example.com") {
		t.Errorf("warnings %v", warnings)
	}
	i.send(t, request{method: "POST", path: "/api/v1/auth/login", body: map[string]any{"email": "root@example.com", "password": "root-password"}}).
		want(t, http.StatusUnauthorized, "invalid_credentials")
}

func TestAdmin_OfTheConfigurationCanLogIn(t *testing.T) {
	t.Parallel()
	i := start(t, "ADMIN_EMAIL=root@example.com", "ADMIN_PASSWORD=root-password")
	token := i.login(t, "root@example.com", "root-password")
	i.send(t, request{path: "/api/v1/admin/venues", token: token}).want(t, http.StatusOK, "")
	i.send(t, request{path: "/api/v1/admin/venues", token: i.admin(t)}).want(t, http.StatusOK, "")
	i.send(t, request{path: "/api/v1/admin/venues", token: i.register(t, "user@example.com")}).
		want(t, http.StatusForbidden, "forbidden")
	i.send(t, request{path: "/api/v1/admin/venues"}).want(t, http.StatusUnauthorized, "unauthorized")
}
