package waitingroom

import (
	"errors"
	"testing"
	"time"

	"evently/internal/domain"
)

// The booking of an earlier admission, which is confirmed again or cancelled, does not end the current one.
func TestEnd_AdmissionThatBeganLaterStays(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 2, 1))
	end := func(booked time.Time) {
		t.Helper()
		if err := f.End(t.Context(), show, 1, booked); err != nil {
			t.Fatal(err)
		}
	}
	f.enter(t, 1)
	f.clock.Advance(time.Minute)
	first := f.clock.Now()
	end(first)
	if status := f.ask(t, 1); status.State != domain.RoomNone {
		t.Fatalf("after the first booking: %+v", status)
	}

	f.clock.Advance(time.Minute)
	second := f.enter(t, 1)
	end(first) // again
	end(f.clock.Now().Add(-clockSkew - time.Millisecond))
	if status := f.ask(t, 1); status != second {
		t.Fatalf("an old booking has changed %+v into %+v", second, status)
	}
	end(f.clock.Now().Add(-clockSkew)) // of this admission, by a clock that is late
	if status := f.ask(t, 1); status.State != domain.RoomNone {
		t.Fatalf("after the second booking: %+v", status)
	}
}

// The same holds for a user who was admitted out of the queue.
func TestEnd_AdmissionOutOfTheQueueThatBeganLaterStays(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1))
	f.enter(t, 1)
	waited := f.clock.Now()
	f.clock.Advance(10 * time.Second)
	f.tick(t)
	if err := f.End(t.Context(), show, 1, waited); err != nil {
		t.Fatal(err)
	}
	if status := f.ask(t, 1); status.State != domain.RoomAdmitted {
		t.Fatalf("a booking from before the admission has ended it: %+v", status)
	}
	f.end(t, 1)
	if status := f.ask(t, 1); status.State != domain.RoomNone {
		t.Fatalf("after the booking: %+v", status)
	}
}

func TestEnd_KeepsThePlaceInTheQueue(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1))
	place := f.enter(t, 1)
	f.end(t, 1)
	if got := f.ask(t, 1); got != place {
		t.Fatalf("got %+v; want %+v", got, place)
	}
}

// An admission that ends schedules a tick if users wait and none is expected.
func TestEnd_SchedulesATickForThoseWhoWait(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 1))
	f.enter(t, 1)
	f.end(t, 1)
	if keys := f.client.Keys(t.Context(), "asynq:*").Val(); len(keys) != 0 {
		t.Errorf("nobody waits, and asynq has %v", keys)
	}
	f.enter(t, 1)
	f.enter(t, 2)
	lose(t, f.client)
	f.clock.Advance(3 * f.options.AdmitInterval)
	f.end(t, 1)
	if got := scheduled(t, f.client); len(got) != 1 {
		t.Errorf("%v are scheduled; the tick before was lost", got)
	}
}

func TestClose_RoomIsGoneAtOnceAndForGood(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 1))
	f.enter(t, 1)
	f.enter(t, 2)
	before, err := f.store.RoomOverrides(t.Context(), show) // what another instance has read
	if err != nil {
		t.Fatal(err)
	}
	f.store.delete(show)
	for range 2 {
		if err := f.Close(t.Context(), show); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.once(t.Context(), f.scripts.enter, keys(show), show, &before, 3, "salt"); !errors.Is(err, domain.ErrShowNotFound) {
		t.Errorf("settings from before the deletion: %v", err)
	}
	for name, call := range map[string]func() error{
		"enter":  func() error { _, err := f.Enter(t.Context(), show, 1); return err },
		"status": func() error { _, err := f.Status(t.Context(), show, 2); return err },
		"leave":  func() error { return f.Leave(t.Context(), show, 2) },
		"view":   func() error { _, err := f.View(t.Context(), show); return err },
	} {
		if err := call(); !errors.Is(err, domain.ErrShowNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.End(t.Context(), show, 1, f.clock.Now()); err != nil {
		t.Errorf("end: %v", err)
	}
	if tick, err := f.Tick(t.Context(), show); err != nil || tick != (Tick{}) {
		t.Errorf("tick: %+v, %v", tick, err)
	}
	if _, err := f.Watchdog(t.Context()); err != nil {
		t.Errorf("watchdog: %v", err)
	}
	left := f.client.Keys(t.Context(), "wr:*").Val()
	if len(left) != 1 || left[0] != keys(show)[0] {
		t.Errorf("keys left: %v", left)
	}
	if ttl := f.client.PTTL(t.Context(), keys(show)[0]).Val(); ttl <= 0 || ttl > f.options.SettingsTTL {
		t.Errorf("the rest expires in %v", ttl)
	}
}
