package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/middleware"
)

// gate is a room that says one thing to everybody.
type gate struct {
	status domain.RoomStatus
	err    error
	shows  []int64
	seats  []int64
	taken  []int64
}

func (g *gate) EnterToLock(_ context.Context, showID, _ int64, seatIDs []int64) (domain.RoomStatus, []int64, error) {
	g.shows = append(g.shows, showID)
	g.seats = seatIDs
	return g.status, g.taken, g.err
}

// knock sends a body through the gate. seen is what the handler read, nil if it was not reached.
func knock(t *testing.T, g *gate, failOpen bool, body io.Reader) (answer *httptest.ResponseRecorder, seen []byte, readErr error) {
	t.Helper()
	behind := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen, readErr = io.ReadAll(r.Body)
		if seen == nil {
			seen = []byte{}
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	})
	options := middleware.WaitingRoomOptions{
		RefreshInterval: 3 * time.Second, FailOpen: failOpen, StatusPath: "/api/v1/waiting-room/",
	}
	h := middleware.WaitingRoom(g, options, slog.New(slog.DiscardHandler))(behind)
	r := httptest.NewRequest(http.MethodPost, "/bookings/lock", body)
	r = r.WithContext(domain.WithIdentity(r.Context(), domain.Identity{UserID: 7}))
	answer = httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer, seen, readErr
}

func TestTheGateLeavesTheBodyWhole(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body  string
		asked bool // whether the room was
	}{
		"good":                  {`{"show_id": 3, "seat_ids": [1, 2]}`, true},
		"good, in another case": {` {"SHOW_ID":3}` + "\n", true},
		"unknown field":         {`{"show_id": 3, "coupon": "x"}`, true},
		"named twice":           {`{"show_id": -1, "show_id": 3}`, true},
		"empty":                 {``, false},
		"not JSON":              {`show_id=3`, false},
		"cut short":             {`{"show_id": 3`, false},
		"something behind":      {`{"show_id": 3} {}`, false},
		"a list":                {`[3]`, false},
		"no show":               {`{"seat_ids": [1]}`, false},
		"wrong type":            {`{"show_id": "3"}`, false},
		"below one":             {`{"show_id": 0}`, false},
		"beyond 64 bits":        {`{"show_id": 9223372036854775808}`, false},
		"at the bound":          {`{"show_id": 3}` + strings.Repeat(" ", 64<<10-14), true},
		"beyond the bound":      {`{"show_id": 3}` + strings.Repeat(" ", 64<<10-13), false},
		"far beyond the bound":  {`{"show_id": 3, "x": "` + strings.Repeat("x", 1<<20) + `"}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gate{status: domain.RoomStatus{State: domain.RoomAdmitted}}
			_, seen, err := knock(t, g, false, strings.NewReader(test.body))
			if err != nil || string(seen) != test.body {
				t.Errorf("the handler read %d bytes, %v; want the %d that were sent", len(seen), err, len(test.body))
			}
			if asked := len(g.shows) > 0; asked != test.asked || (asked && g.shows[0] != 3) {
				t.Errorf("the room was asked about %v; asked must be %v", g.shows, test.asked)
			}
		})
	}
}

// broken is a body whose connection fails half way.
type broken struct{ sent bool }

var errBroken = errors.New("the connection is gone")

func (b *broken) Read(p []byte) (int, error) {
	if b.sent {
		return 0, errBroken
	}
	b.sent = true
	return copy(p, `{"show_id"`), nil
}

func TestTheGatePassesAReadErrorOn(t *testing.T) {
	t.Parallel()
	g := &gate{}
	_, seen, err := knock(t, g, false, &broken{})
	if !errors.Is(err, errBroken) || string(seen) != `{"show_id"` || len(g.shows) > 0 {
		t.Errorf("the handler read %q, %v; the room was asked about %v", seen, err, g.shows)
	}
}

func TestTheGateAnswersWithThePlace(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		estimate time.Duration
		want     any
	}{"estimate": {90 * time.Second, 90.0}, "no estimate": {0, nil}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := &gate{status: domain.RoomStatus{
				ShowID: 3, State: domain.RoomWaiting, Token: "token", Position: 12, EstimatedWait: test.estimate,
			}}
			answer, seen, _ := knock(t, g, true, strings.NewReader(`{"show_id":3}`))
			if seen != nil || answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") != "3" {
				t.Fatalf("status %d, Retry-After %q, handler read %q", answer.Code, answer.Header().Get("Retry-After"), seen)
			}
			var got map[string]any
			if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil {
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

func TestTheGateWithoutAnAnswerOfTheRoom(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    error
		open   bool
		passes bool
		status int
	}{
		"open":         {domain.ErrWaitingRoomUnavailable, true, true, http.StatusOK},
		"closed":       {domain.ErrWaitingRoomUnavailable, false, false, http.StatusServiceUnavailable},
		"no such show": {domain.ErrShowNotFound, false, true, http.StatusOK},
		"no database":  {domain.ErrDatabaseUnavailable, true, false, http.StatusServiceUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, seen, _ := knock(t, &gate{err: test.err}, test.open, strings.NewReader(`{"show_id":3}`))
			if (seen != nil) != test.passes || answer.Code != test.status {
				t.Fatalf("status %d, passed %v; want %d, %v", answer.Code, seen != nil, test.status, test.passes)
			}
			if !test.passes && answer.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}

// The handler hears of the seats that the room found taken, and of none otherwise.
func TestTheGatePassesOnWhichSeatsAreTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body        string
		taken       []int64
		asked, want []int64
	}{
		"some":            {body: `{"show_id":5,"seat_ids":[1,2]}`, taken: []int64{2}, asked: []int64{1, 2}, want: []int64{2}},
		"none":            {body: `{"show_id":5,"seat_ids":[1,2]}`, asked: []int64{1, 2}},
		"no list":         {body: `{"show_id":5,"seat_ids":"1"}`},
		"too long a list": {body: `{"show_id":5,"seat_ids":[` + strings.Repeat("1,", 100) + `1]}`},
	} {
		g := &gate{status: domain.RoomStatus{State: domain.RoomAdmitted}, taken: c.taken}
		var seen []int64
		h := middleware.WaitingRoom(g, middleware.WaitingRoomOptions{}, slog.New(slog.DiscardHandler))(
			http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = domain.TakenSeatsFrom(r.Context(), 5) }))
		r := httptest.NewRequest(http.MethodPost, "/bookings/lock", strings.NewReader(c.body))
		h.ServeHTTP(httptest.NewRecorder(), r.WithContext(domain.WithIdentity(r.Context(), domain.Identity{UserID: 7})))
		if !cmp.Equal(g.seats, c.asked) || !cmp.Equal(seen, c.want) {
			t.Errorf("%s: the room was asked for %v, the handler saw %v", name, g.seats, seen)
		}
	}
}
