package handler_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/rediskit"
	"evently/internal/repository"
	"evently/internal/respond"
	"evently/internal/testkit"
	"evently/internal/waitingroom"
)

// roomAPI is one instance of the waiting room.
type roomAPI struct {
	*waitingroom.Room
	hub    *waitingroom.Hub
	tokens tokens
	server *httptest.Server
	stop   context.CancelFunc
}

// tokens is a handler.TokenChecker that a test can make refuse everything.
type tokens struct{ ended atomic.Bool }

func (t *tokens) Check(domain.Identity) error {
	if t.ended.Load() {
		return domain.ErrUnauthorized
	}
	return nil
}

// roomStores is what instances share.
type roomStores struct {
	pool   *pgxpool.Pool
	client *redis.Client
	show   int64
}

func setupRooms(t testing.TB) roomStores {
	t.Helper()
	pool := testkit.Pool(t)
	return roomStores{pool: pool, client: testkit.Redis(t), show: testkit.NewShow(t, pool, testkit.Show{})}
}

func (s roomStores) instance(t testing.TB, hubOptions waitingroom.HubOptions) *roomAPI {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store := repository.New(s.pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	kit := testkit.Rediskit(t, s.client, rediskit.Options{})
	room := waitingroom.New(kit, store, waitingroom.Options{
		Defaults:      domain.RoomSettings{Mode: domain.RoomAuto, MaxUsers: 1, BatchSize: 5},
		AdmitInterval: 50 * time.Millisecond, Grace: 30 * time.Second, Abandon: time.Minute, SessionTTL: time.Minute,
	}, log)
	a := &roomAPI{Room: room, hub: waitingroom.NewHub(room, hubOptions, log)}
	h := handler.NewWaitingRoom(room, a.hub, &a.tokens, 3*time.Second)

	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var id int64
			if _, err := fmt.Sscan(r.Header.Get("X-User"), &id); err == nil {
				r = r.WithContext(domain.WithIdentity(r.Context(), domain.Identity{UserID: id}))
			}
			next.ServeHTTP(w, r)
		})
	})
	for route, serve := range map[string]respond.Handler{
		"POST /waiting-room/{show_id}/join":  h.Join,
		"GET /waiting-room/{show_id}":        h.Status,
		"DELETE /waiting-room/{show_id}":     h.Leave,
		"GET /waiting-room/{show_id}/events": h.Events,
		"GET /admin/{show_id}":               h.View,
		"PUT /admin/{show_id}":               h.Configure,
	} {
		method, path, _ := strings.Cut(route, " ")
		router.Method(method, path, respond.Adapt(log, serve))
	}
	// A stream must outlive the timeouts of requests.
	a.server = httptest.NewUnstartedServer(router)
	a.server.Config.ReadTimeout, a.server.Config.WriteTimeout = 2*time.Second, 2*time.Second
	a.server.Start()

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { a.hub.Run(ctx) })
	a.stop = func() { cancel(); running.Wait() }
	t.Cleanup(func() { a.stop(); a.server.Close() })
	return a
}

// call sends a request of a user, fails unless the response has the status, and decodes it.
func (a *roomAPI) call(t *testing.T, user int64, method, path, body string, status int) map[string]any {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, a.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-User", fmt.Sprint(user))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := a.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != status {
		t.Fatalf("%s %s: status %d; want %d", method, path, response.StatusCode, status)
	}
	if status == http.StatusNoContent {
		return nil
	}
	var decoded map[string]any
	if err := json.NewDecoder(response.Body).Decode(&decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

// events is an open stream.
type events struct {
	t       *testing.T
	lines   *bufio.Scanner
	beats   int
	stopped func()
}

func (a *roomAPI) listen(t *testing.T, user, show int64) *events {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/waiting-room/%d/events", a.server.URL, show), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-User", fmt.Sprint(user))
	response, err := a.server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	e := &events{t: t, lines: bufio.NewScanner(response.Body), stopped: func() { cancel(); _ = response.Body.Close() }}
	t.Cleanup(e.stopped)
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("status %d, type %q", response.StatusCode, kind)
	}
	return e
}

// next returns the next event; ok is false at the end of the stream.
func (e *events) next() (event map[string]any, ok bool) {
	e.t.Helper()
	kind := ""
	for e.lines.Scan() {
		line := e.lines.Text()
		switch {
		case strings.HasPrefix(line, ":"):
			e.beats++
		case strings.HasPrefix(line, "event: "):
			kind = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			if kind != "status" {
				e.t.Fatalf("event of type %q", kind)
			}
			if err := json.Unmarshal([]byte(line[len("data: "):]), &event); err != nil {
				e.t.Fatal(err)
			}
			return event, true
		}
	}
	if err := e.lines.Err(); err != nil {
		e.t.Fatalf("the stream broke: %v", err)
	}
	return nil, false
}

// until reads events up to one with the status.
func (e *events) until(status string) map[string]any {
	e.t.Helper()
	for {
		event, ok := e.next()
		if !ok {
			e.t.Fatalf("the stream ended before the status was %q", status)
		}
		if event["status"] == status {
			return event
		}
	}
}
