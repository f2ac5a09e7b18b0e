package waitingroom

import (
	"slices"
	"testing"

	"evently/internal/domain"
)

// Who is admitted hears which of the seats that they want somebody has; who waits hears nothing.
func TestWhoIsAdmittedHearsWhichSeatsAreTaken(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 1), func(o *Options) {
		o.SeatLocks = func(_ int64, seatIDs []int64) []string {
			keys := make([]string, len(seatIDs))
			for i, id := range seatIDs {
				keys[i] = "lock:{7}:" + string(rune('a'+id))
			}
			return keys
		}
	})
	for _, key := range []string{"lock:{7}:b", "lock:{7}:d"} {
		if err := f.client.Set(t.Context(), key, "somebody", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		user        int64
		seats, want []int64
		state       domain.RoomState
	}{
		{1, []int64{3, 2, 1}, []int64{3, 1}, domain.RoomAdmitted}, // comes in
		{1, []int64{1, 2}, []int64{1}, domain.RoomAdmitted},       // is in
		{1, []int64{2}, nil, domain.RoomAdmitted},
		{1, nil, nil, domain.RoomAdmitted},
		{2, []int64{1}, nil, domain.RoomWaiting},
	} {
		status, taken, err := f.EnterToLock(t.Context(), show, c.user, c.seats)
		if err != nil || status.State != c.state || !slices.Equal(taken, c.want) {
			t.Errorf("user %d wants %v: %s, %v taken, %v", c.user, c.seats, status.State, taken, err)
		}
	}
}

// What is given back while nobody waits needs no tick; while somebody waits, it sees to one.
func TestAReleaseSchedulesATickOnlyForThoseWhoWait(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 1))
	tasks := func() int {
		t.Helper()
		keys, err := f.client.Keys(t.Context(), "asynq:*:t:*").Result()
		if err != nil {
			t.Fatal(err)
		}
		return len(keys)
	}
	give := func(user int64) {
		t.Helper()
		if err := f.Release(t.Context(), show, user); err != nil {
			t.Fatal(err)
		}
	}
	f.enter(t, 1)
	give(1)
	if n := tasks(); n != 0 {
		t.Errorf("%d ticks are scheduled for an empty queue", n)
	}
	f.enter(t, 1)
	f.enter(t, 2) // waits: a tick is scheduled, and lost
	if n := tasks(); n != 1 {
		t.Fatalf("%d ticks are scheduled for somebody who waits", n)
	}
	if err := f.client.Del(t.Context(), mustKeys(t, f)...).Err(); err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(3 * defaults().AdmitInterval)
	give(1)
	if n := tasks(); n != 1 {
		t.Errorf("%d ticks are scheduled, the one before was lost", n)
	}
}

func mustKeys(t *testing.T, f *fixture) []string {
	t.Helper()
	keys, err := f.client.Keys(t.Context(), "asynq:*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("%v, %v", keys, err)
	}
	return keys
}
