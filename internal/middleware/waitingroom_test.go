package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/middleware"
)

// fakeGate gives all users the same status, and records the shows.
type fakeGate struct {
	status domain.RoomStatus
	err    error
	shows  []int64
}

func (g *fakeGate) Enter(_ context.Context, showID, _ int64) (domain.RoomStatus, error) {
	g.shows = append(g.shows, showID)
	return g.status, g.err
}

// fakeReplays has one response, or an error, for the key "stored".
type fakeReplays struct {
	err    error
	bodies []string
}

func (f *fakeReplays) Replay(w http.ResponseWriter, r *http.Request, body []byte) (bool, error) {
	f.bodies = append(f.bodies, string(body))
	if r.Header.Get("Idempotency-Key") != "stored" || f.err != nil {
		return false, f.err
	}
	w.WriteHeader(http.StatusOK)
	_, err := io.WriteString(w, "stored response")
	return true, err
}

const lockBody = `{"seat_ids": [1, 2], "show_id": 3}`

// gateTest is a request through the gate.
type gateTest struct {
	gate     *fakeGate
	replays  middleware.Replays
	failOpen bool
	body     string
	key      string
}

// send returns the response, and the body that the handler has read; passed is false if it was not called.
func (g gateTest) send(t *testing.T) (response *httptest.ResponseRecorder, read string, passed bool) {
	t.Helper()
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		read, passed = string(body), true
	})
	options := middleware.WaitingRoomOptions{
		RefreshInterval: 3 * time.Second, FailOpen: g.failOpen, StatusPath: "/api/v1/waiting-room/",
	}
	h := middleware.WaitingRoom(g.gate, g.replays, options, slog.New(slog.DiscardHandler))(handler)
	r := httptest.NewRequest(http.MethodPost, "/bookings/lock", strings.NewReader(g.body))
	if g.key != "" {
		r.Header.Set("Idempotency-Key", g.key)
	}
	r = r.WithContext(domain.WithIdentity(r.Context(), domain.Identity{UserID: 7}))
	response = httptest.NewRecorder()
	h.ServeHTTP(response, r)
	return response, read, passed
}

var (
	admitted = domain.RoomStatus{State: domain.RoomAdmitted}
	waiting  = domain.RoomStatus{ShowID: 3, State: domain.RoomWaiting, Token: "token", Position: 12}
)

// The gate reads show_id alone. The handler reads the whole body, whatever is wrong with it.
func TestWaitingRoom_ReadsTheShow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body  string
		shows []int64
	}{
		"good":           {lockBody, []int64{3}},
		"other fields":   {`{"show_id": 3, "seat_ids": "x", "colour": 1}`, []int64{3}},
		"no show":        {`{"seat_ids": [1]}`, nil},
		"show zero":      {`{"show_id": 0}`, nil},
		"negative show":  {`{"show_id": -3}`, nil},
		"wrong type":     {`{"show_id": "3"}`, nil},
		"fraction":       {`{"show_id": 3.5}`, nil},
		"no JSON":        {`show 3`, nil},
		"trailing data":  {lockBody + "1", nil},
		"empty":          {"", nil},
		"more than read": {`{"show_id": 3, "seat_ids": "` + strings.Repeat("x", 64<<10) + `"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := &fakeGate{status: admitted}
			_, read, passed := gateTest{gate: gate, body: c.body}.send(t)
			if !passed || read != c.body {
				t.Errorf("the handler has read %q, %v", read, passed)
			}
			if !slices.Equal(gate.shows, c.shows) {
				t.Errorf("the room was asked for %v; want %v", gate.shows, c.shows)
			}
		})
	}
}

func TestWaitingRoom_RespondsWithThePlace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		estimate time.Duration
		want     any
	}{"estimate": {90 * time.Second, 90.0}, "no estimate": {0, nil}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status := waiting
			status.EstimatedWait = test.estimate
			response, _, passed := gateTest{gate: &fakeGate{status: status}, failOpen: true, body: lockBody}.send(t)
			if passed || response.Code != http.StatusTooManyRequests || response.Header().Get("Retry-After") != "3" {
				t.Fatalf("status %d, Retry-After %q, passed %v", response.Code, response.Header().Get("Retry-After"), passed)
			}
			var got map[string]any
			if err := json.Unmarshal(response.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{
				"message": "High traffic detected. You are in the virtual waiting room.", "code": "waiting_room", "request_id": "",
				"token": "token", "position": 12.0, "users_ahead": 11.0, "estimated_wait_seconds": test.want,
				"refresh_interval_seconds": 3.0, "status_url": "/api/v1/waiting-room/3",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWaitingRoom_Errors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err      error
		failOpen bool
		passes   bool
		status   int
	}{
		"unavailable, open":   {domain.ErrWaitingRoomUnavailable, true, true, http.StatusOK},
		"unavailable, closed": {domain.ErrWaitingRoomUnavailable, false, false, http.StatusServiceUnavailable},
		"no such show":        {domain.ErrShowNotFound, false, true, http.StatusOK},
		"no database":         {domain.ErrDatabaseUnavailable, true, false, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response, _, passed := gateTest{gate: &fakeGate{err: test.err}, failOpen: test.failOpen, body: lockBody}.send(t)
			if passed != test.passes || response.Code != test.status {
				t.Fatalf("status %d, passed %v; want %d, %v", response.Code, passed, test.status, test.passes)
			}
			if !test.passes && response.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

// A repeat gets its stored response although its user would have to wait now.
func TestWaitingRoom_ReplaysBeforeItRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		room   domain.RoomStatus
		key    string
		err    error
		bodies []string
		status int
	}{
		"stored":           {waiting, "stored", nil, []string{lockBody}, http.StatusOK},
		"not stored":       {waiting, "new", nil, []string{lockBody}, http.StatusTooManyRequests},
		"no key":           {waiting, "", nil, nil, http.StatusTooManyRequests},
		"admitted":         {admitted, "stored", nil, nil, http.StatusOK},
		"reused":           {waiting, "stored", domain.ErrIdempotencyKeyReused, []string{lockBody}, http.StatusUnprocessableEntity},
		"unexpected error": {waiting, "stored", errors.New("x"), []string{lockBody}, http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			replays := &fakeReplays{err: test.err}
			response, _, passed := gateTest{gate: &fakeGate{status: test.room}, replays: replays, body: lockBody, key: test.key}.send(t)
			if response.Code != test.status || passed != (test.room == admitted) {
				t.Errorf("status %d, passed %v", response.Code, passed)
			}
			if diff := cmp.Diff(test.bodies, replays.bodies); diff != "" {
				t.Errorf("asked for %s", diff)
			}
			if name == "stored" && response.Body.String() != "stored response" {
				t.Errorf("response %q", response.Body)
			}
		})
	}
}
