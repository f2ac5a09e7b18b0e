package middleware_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/middleware"
)

// gate is a room that says one thing to everybody.
type gate struct {
	status    domain.RoomStatus
	err       error
	state     domain.LockState // of what it was asked to lock
	asked     []domain.SeatLock
	abandoned []domain.SeatLock
}

func (g *gate) EnterToLock(_ context.Context, _ int64, lock *domain.EarlyLock) (domain.RoomStatus, error) {
	g.asked = append(g.asked, lock.SeatLock)
	lock.State = g.state
	return g.status, g.err
}

func (g *gate) Abandon(_ context.Context, lock domain.SeatLock) {
	g.abandoned = append(g.abandoned, lock)
}

// knock sends a request for seats 1 and 2 of show 3 through the gate. seen is what the handler
// was told, nil if it was not reached; it takes the locks over if uses is set.
func knock(t *testing.T, g *gate, failOpen, uses bool) (answer *httptest.ResponseRecorder, seen *domain.SeatRequest) {
	t.Helper()
	return knockWith(t, g, &domain.SeatRequest{ShowID: 3, SeatIDs: []int64{1, 2}}, failOpen, uses)
}

func knockWith(t *testing.T, g *gate, request *domain.SeatRequest, failOpen, uses bool) (answer *httptest.ResponseRecorder, seen *domain.SeatRequest) {
	t.Helper()
	behind := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = domain.SeatRequestFrom(r.Context())
		if uses {
			seen.Early.Used = true
		}
	})
	options := middleware.WaitingRoomOptions{
		RefreshInterval: 3 * time.Second, FailOpen: failOpen, StatusPath: "/api/v1/waiting-room/",
	}
	read := func(http.ResponseWriter, *http.Request) *domain.SeatRequest { return request }
	h := middleware.WaitingRoom(g, read, options, slog.New(slog.DiscardHandler))(behind)
	r := httptest.NewRequest(http.MethodPost, "/bookings/lock", http.NoBody)
	r = r.WithContext(domain.WithIdentity(r.Context(), domain.Identity{UserID: 7}))
	answer = httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer, seen
}

var admitted = domain.RoomStatus{State: domain.RoomAdmitted}

// What cannot be read is the handler's to refuse, and no question to the room.
func TestTheGatePassesOnWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	g := &gate{status: admitted}
	request := &domain.SeatRequest{Fault: domain.ErrInvalidJSON}
	if _, seen := knockWith(t, g, request, false, false); seen != request || len(g.asked) > 0 {
		t.Errorf("the handler was told %v, and the room was asked for %v", seen, g.asked)
	}
}

// The room locks what was asked for, each time under a token of its own.
func TestTheGateAsksForTheSeats(t *testing.T) {
	t.Parallel()
	g := &gate{status: admitted, state: domain.LockHeld}
	for range 2 {
		if _, seen := knock(t, g, false, true); seen == nil || seen.Early == nil || seen.Early.State != domain.LockHeld {
			t.Fatalf("the handler was told %+v", seen)
		}
	}
	first, second := g.asked[0], g.asked[1]
	if first.Token == "" || first.Token == second.Token {
		t.Errorf("the tokens are %q and %q", first.Token, second.Token)
	}
	first.Token = ""
	if diff := cmp.Diff(domain.SeatLock{ShowID: 3, SeatIDs: []int64{1, 2}}, first); diff != "" {
		t.Error(diff)
	}
}

// Locks that may be set and that nobody has taken over are released.
func TestTheGateAbandonsWhatNobodyUses(t *testing.T) {
	t.Parallel()
	down := domain.ErrWaitingRoomUnavailable
	for name, c := range map[string]struct {
		gate     gate
		failOpen bool
		uses     bool
		want     bool // abandoned
	}{
		"held and used":       {gate: gate{status: admitted, state: domain.LockHeld}, uses: true},
		"held and not used":   {gate: gate{status: admitted, state: domain.LockHeld}, want: true},
		"lost":                {gate: gate{status: admitted, state: domain.LockLost}},
		"waiting":             {gate: gate{status: domain.RoomStatus{State: domain.RoomWaiting}}},
		"unknown, closed":     {gate: gate{err: down, state: domain.LockUnknown}, want: true},
		"not asked, closed":   {gate: gate{err: down}},
		"unknown, open, used": {gate: gate{err: down, state: domain.LockUnknown}, failOpen: true, uses: true},
		"unknown, open":       {gate: gate{err: down, state: domain.LockUnknown}, failOpen: true, want: true},
		"client gone":         {gate: gate{err: context.Canceled, state: domain.LockUnknown}, want: true},
	} {
		knock(t, &c.gate, c.failOpen, c.uses)
		if abandoned := len(c.gate.abandoned) == 1 && c.gate.abandoned[0].Token == c.gate.asked[0].Token; abandoned != c.want {
			t.Errorf("%s: %v were abandoned", name, c.gate.abandoned)
		}
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
			answer, seen := knock(t, g, true, false)
			if seen != nil || answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") != "3" {
				t.Fatalf("status %d, Retry-After %q, handler was told %v", answer.Code, answer.Header().Get("Retry-After"), seen)
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
			answer, seen := knock(t, &gate{err: test.err}, test.open, false)
			if (seen != nil) != test.passes || answer.Code != test.status {
				t.Fatalf("status %d, passed %v; want %d, %v", answer.Code, seen != nil, test.status, test.passes)
			}
			if !test.passes && answer.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		})
	}
}
