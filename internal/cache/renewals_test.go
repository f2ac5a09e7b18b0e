package cache_test

import (
	"strings"
	"testing"
	"time"

	"evently/internal/cache"
	"evently/internal/domain"
	"evently/internal/testkit"
)

// The request that finds a map of some age has it looked at again and does not wait; no map is given
// that is older than the age.
func TestMapsAreRenewedBesideTheRequest(t *testing.T) {
	t.Parallel()
	b, clock := newBooks(2), testkit.NewClock(time.Now())
	maps := cache.NewSeatMaps(b, encode, cache.Options{MaxAge: maxAge, RenewAfter: maxAge / 2, MaxBytes: 1 << 20, Now: clock.Now})
	want := func(status domain.SeatStatus) {
		t.Helper()
		body, err := maps.Get(t.Context(), show)
		if err != nil {
			t.Fatal(err)
		}
		parts, _ := body.Plain()
		var text strings.Builder
		for _, part := range parts {
			text.Write(part)
		}
		if !strings.Contains(text.String(), `"1 `+string(status)) {
			t.Errorf("the map is %s, want seat 1 %s", text.String(), status)
		}
	}
	want(domain.SeatAvailable)
	b.set(1, domain.SeatBooked, 5, 0) // by another instance
	reading, read := make(chan struct{}), make(chan struct{})
	b.mu.Lock()
	b.during = func() { close(reading); <-read }
	b.mu.Unlock()
	clock.Advance(maxAge / 2)
	want(domain.SeatAvailable) // while it is read beside
	<-reading
	want(domain.SeatAvailable)
	close(read)
	maps.Close() // the renewal is done
	b.mu.Lock()
	b.during = nil
	b.mu.Unlock()
	want(domain.SeatBooked)
	if n := b.plans.Load(); n != 2 {
		t.Errorf("the seats were read %d times, want 2", n)
	}
	b.set(1, domain.SeatLocked, 6, time.Hour)
	clock.Advance(maxAge)
	want(domain.SeatBooked) // at its age to the moment, and there are no renewals any more
	clock.Advance(1)
	want(domain.SeatLocked)
}
