package waitingroom

import (
	"testing"

	"evently/internal/domain"
)

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
		if err := f.Settle(t.Context(), user, domain.SeatLock{ShowID: show}); err != nil {
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
