//go:build long

package app_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"evently/internal/schema"
	"evently/internal/testkit"
)

// baselines are the commits that a running installation may have, oldest first: the schema of each is migrated to that of
// this binary while the commit's own binary serves. A release adds its commit.
var baselines = []struct {
	name, commit string
	version      int64 // of its newest migration
}{
	{"plain core", "ba9ed1532c623b7583119a24a04b1984811aec86", 5},
}

func TestUpgrade_BookingGoesOnWhileMigrating(t *testing.T) {
	current := buildBinary(t, filepath.Join("..", ".."))
	for _, from := range baselines {
		t.Run(from.name, func(t *testing.T) { upgrade(t, from.commit, from.version, current) })
	}
}

func upgrade(t *testing.T, commit string, version int64, current string) {
	t.Helper()
	old := buildBinary(t, checkOut(t, commit))
	database := testkit.EmptyDatabaseURL(t)
	settings := []string{
		"DATABASE_URL=" + database, "REDIS_URL=" + testkit.RedisURL(t), "MIGRATE_ON_START=false", "ALLOW_NEWER_SCHEMA=true",
		"ADMIN_EMAIL=root@example.com", "ADMIN_PASSWORD=" + processSecret(),
	}
	migrate := exec.CommandContext(t.Context(), old, "migrate", "up")
	migrate.Dir, migrate.Env = t.TempDir(), settings
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pool := testkit.Connect(t, database)
	if applied, err := schema.Applied(t.Context(), pool); applied != version || err != nil {
		t.Fatalf("%s has version %d, want %d: %v", commit, applied, version, err)
	}
	b := &boxOffice{pool: pool}
	first := startProcess(t, old, settings...)
	admin := fillOld(t, b, first.url)

	clients := startLoad(t, first.url, b.show, b.seats[:8], never)
	writes := &writer{caller: admin, path: fmt.Sprintf("/api/v1/admin/venues/%v/seats", b.venueOf(t))}
	writes.start(t)
	clients.await(t, "POST 200 ", 50)
	if err := schema.Up(t.Context(), database, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if err := schema.Verify(t.Context(), pool); err != nil {
		t.Error(err)
	}
	clients.await(t, "POST 200 ", 100)

	// Old and new serve together, as in a release.
	second := startProcess(t, current, settings...)
	beside := startLoad(t, second.url, b.show, b.seats[8:16], never)
	beside.await(t, "POST 200 ", 100)
	clients.await(t, "POST 200 ", 50)
	writes.end(t)
	clients.end(t)
	first.end(syscall.SIGTERM)
	if first.err != nil {
		t.Errorf("the old instance ended with %v", first.err)
	}
	// And the old one may have to be started again.
	again := startProcess(t, old, settings...)
	if got := registered(t, again.url).book(b.show, b.seats[0]); got.status != http.StatusOK {
		t.Errorf("after a rollback: %v", got)
	}
	beside.end(t)
	b.audit(t)
	if n := testkit.Value[int](t, pool, `SELECT count(*) FROM bookings WHERE status = 'CONFIRMED'`); n != 1 {
		t.Errorf("%d CONFIRMED bookings of before, want 1", n)
	}
}

// checkOut returns a folder with the source of a commit.
func checkOut(t *testing.T, commit string) string {
	t.Helper()
	archive := exec.CommandContext(t.Context(), "git", "archive", "--format=tar", commit)
	archive.Dir = filepath.Join("..", "..")
	var problem bytes.Buffer
	archive.Stderr = &problem
	packed, err := archive.Output()
	if err != nil {
		t.Fatalf("this test builds %s and needs git and the whole history (git fetch --unshallow): %v: %s", commit, err, problem.String())
	}
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	for files := tar.NewReader(bytes.NewReader(packed)); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		content, err := io.ReadAll(files)
		if err := errors.Join(err, root.MkdirAll(filepath.Dir(header.Name), 0o700), root.WriteFile(header.Name, content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// fillOld makes rows over the API of an instance: a show, and a booking in each status. It returns a caller with the
// token of an admin.
func fillOld(t *testing.T, b *boxOffice, base string) *caller {
	t.Helper()
	admin := newCaller(t, base)
	post := func(c *caller, path string, status int, body any) answer {
		t.Helper()
		got := c.call(http.MethodPost, "/api/v1"+path, body)
		if got.status != status {
			t.Fatal(got)
		}
		return got
	}
	id := func(a answer, object, name string) int64 {
		inner, _ := a.body[object].(map[string]any)
		number, _ := inner[name].(float64)
		return int64(number)
	}
	admin.token, _ = post(admin, "/auth/login", http.StatusOK, map[string]any{
		"email": "root@example.com", "password": processSecret(),
	}).body["token"].(string)
	venue := id(post(admin, "/admin/venues", http.StatusCreated, map[string]any{"venue_name": "Hall", "address": "1 Street"}), "venue", "venue_id")
	var seats []map[string]any
	for n := range 1000 {
		seats = append(seats, map[string]any{"seat_row": "A", "seat_number": n + 1})
	}
	post(admin, fmt.Sprintf("/admin/venues/%d/seats", venue), http.StatusCreated, map[string]any{"seats": seats})
	event := id(post(admin, "/admin/events", http.StatusCreated, map[string]any{"title": "Show"}), "event", "event_id")
	b.show = id(post(admin, "/admin/shows", http.StatusCreated, map[string]any{
		"event_id": event, "venue_id": venue, "price": 450,
		"start_time": "2040-01-01T10:00:00Z", "end_time": "2040-01-01T12:00:00Z",
	}), "show", "show_id")
	b.seats = testkit.SeatIDs(t, b.pool, b.show)

	buyer, last := registered(t, base), len(b.seats)
	lock := func(seat int64) answer {
		t.Helper()
		return post(buyer, "/bookings/lock", http.StatusOK, map[string]any{"show_id": b.show, "seat_ids": []int64{seat}})
	}
	lock(b.seats[last-1]) // stays PENDING
	kept := lock(b.seats[last-2])
	post(buyer, "/bookings/payments/simulate", http.StatusOK, map[string]any{"booking_id": kept.body["booking_id"], "amount": kept.body["amount"]})
	post(buyer, fmt.Sprintf("/bookings/%v/confirm", kept.body["booking_id"]), http.StatusOK, nil)
	if got := registered(t, base).book(b.show, b.seats[last-3]); got.status != http.StatusOK { // ends CANCELLED
		t.Fatal(got)
	}
	// So many that a migration which goes over them takes a while.
	testkit.Exec(t, b.pool, `
		INSERT INTO users (email, email_key, password_hash)
		SELECT n || '@example.org', n || '@example.org', '!'
		FROM generate_series(1, 100000) n`)
	testkit.Exec(t, b.pool, `
		INSERT INTO events (title, title_folded)
		SELECT 'event ' || n, 'event ' || n
		FROM generate_series(1, 50000) n`)
	return admin
}

func (b *boxOffice) venueOf(t *testing.T) int64 {
	t.Helper()
	return testkit.Value[int64](t, b.pool, `SELECT venue_id FROM shows WHERE show_id = $1`, b.show)
}

// writer adds seats to a venue, one by one, until it ends. It may be told to come back later, and nothing else.
type writer struct {
	caller   *caller
	path     string
	requests int
	later    int
	failures []string
	stop     chan struct{}
	stopped  chan struct{}
}

func (w *writer) start(t *testing.T) {
	t.Helper()
	w.stop, w.stopped = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.stopped)
		for {
			select {
			case <-w.stop:
				return
			default:
			}
			w.requests++
			got := w.caller.call(http.MethodPost, w.path, map[string]any{"seats": []any{map[string]any{"seat_row": "Z", "seat_number": w.requests}}})
			switch {
			case got.status == http.StatusServiceUnavailable && got.header.Get("Retry-After") != "":
				w.later++
			case got.status != http.StatusCreated:
				w.failures = append(w.failures, got.String())
			}
		}
	}()
}

func (w *writer) end(t *testing.T) {
	t.Helper()
	close(w.stop)
	<-w.stopped
	t.Logf("%d writes by the admin, %d of them 503", w.requests, w.later)
	if len(w.failures) > 0 || w.requests == 0 {
		t.Errorf("%d writes by the admin failed, the first: %s", len(w.failures), strings.Join(w.failures[:min(1, len(w.failures))], ""))
	}
}
