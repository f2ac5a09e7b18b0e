package seatmap_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/config"
	"evently/internal/domain"
	"evently/internal/seatmap"
	"evently/internal/testkit"
)

func TestGet_ListsTheSeatsInOrder(t *testing.T) {
	t.Parallel()
	for _, seats := range []int{0, 1, 128, 129, 1000} {
		r := newReader(seats)
		in := newInstance(t, r, testkit.NewClock(time.Now()))
		want := []seatBody{}
		for _, s := range r.seats {
			want = append(want, seatBody{s.ID, s.VenueID, s.Row, s.Number, s.Status})
		}
		if diff := cmp.Diff(want, in.read()); diff != "" {
			t.Errorf("%d seats (-want +got):\n%s", seats, diff)
		}
	}
}

func TestChanged_ShowsAtOnce(t *testing.T) {
	r, in := setup(t, 1000) // several blocks
	in.want(500, domain.SeatAvailable, "at first")
	for _, step := range []struct {
		status domain.SeatStatus
		id     int64
	}{{domain.SeatLocked, 1}, {domain.SeatBooked, 1}, {domain.SeatAvailable, 1}, {domain.SeatLocked, 2}} {
		r.set(500, step.status, step.id, time.Minute)
		in.maps.Changed(change(step.id, step.status, 500))
		in.want(500, step.status, "after an own change")
		in.want(499, domain.SeatAvailable, "next to it")
	}
	if n := r.plans.Load(); n != 1 {
		t.Errorf("%d plans were read, want 1", n)
	}
}

// Goroutines may report their changes in another order than they were committed in.
func TestChanged_IgnoresWhatALaterChangeHasOvertaken(t *testing.T) {
	_, in := setup(t, 10)
	in.want(5, domain.SeatAvailable, "at first")
	in.maps.Changed(change(2, domain.SeatLocked, 5))
	in.maps.Changed(change(1, domain.SeatAvailable, 5))
	in.want(5, domain.SeatLocked, "after the end of an earlier booking")
	in.maps.Changed(change(2, domain.SeatBooked, 5))
	in.maps.Changed(change(2, domain.SeatLocked, 5))
	in.want(5, domain.SeatBooked, "after the lock of a confirmed booking")
}

// The process stalled between a commit and the call. Another instance has undone the change since, and
// a map that is being read shows that already.
func TestChanged_LateChangeIsReadFromTheDatabase(t *testing.T) {
	for _, status := range []domain.SeatStatus{domain.SeatLocked, domain.SeatBooked} {
		t.Run(string(status), func(t *testing.T) {
			r, in := setup(t, 10)
			in.want(3, domain.SeatAvailable, "at first")
			late := func(booking int64) domain.SeatChange {
				c := change(booking, status, 3)
				c.Took = 4 * time.Second
				return c
			}
			r.set(4, domain.SeatBooked, 2, 0)
			in.clock.Advance(maxAge + 1)
			r.during = func() { in.maps.Changed(late(1)) }
			in.want(3, domain.SeatAvailable, "after a change that was undone")
			r.during = nil
			in.want(3, domain.SeatAvailable, "within the age")
			r.set(3, status, 3, time.Minute)
			in.maps.Changed(late(3))
			in.want(3, status, "after a late change that stands")
		})
	}
}

func TestGet_ShowsChangesOfOthersWithinMaxAge(t *testing.T) {
	r, in := setup(t, 10)
	other := newInstance(t, r, in.clock)
	in.want(3, domain.SeatAvailable, "at first")
	other.want(3, domain.SeatAvailable, "at first")
	r.set(3, domain.SeatLocked, 1, time.Minute)
	other.maps.Changed(change(1, domain.SeatLocked, 3))
	other.want(3, domain.SeatLocked, "where it was made")
	in.clock.Advance(maxAge)
	in.want(3, domain.SeatAvailable, "within the age")
	in.clock.Advance(time.Nanosecond)
	in.want(3, domain.SeatLocked, "beyond the age")

	plans := r.plans.Load()
	for range 5 {
		in.clock.Advance(2 * maxAge)
		in.want(3, domain.SeatLocked, "without a change")
	}
	if n := r.plans.Load() - plans; n != 0 {
		t.Errorf("%d plans were read although nothing had changed", n)
	}
}

// Another instance ends what this one began, so the version is what it was before both.
func TestGet_OwnChangeUndoneByAnotherInstance(t *testing.T) {
	r, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	in.maps.Changed(change(1, domain.SeatLocked, 3))
	in.want(3, domain.SeatLocked, "within the age")
	in.clock.Advance(2 * maxAge)
	in.want(3, domain.SeatAvailable, "after the next read")
	if n := r.plans.Load(); n != 2 {
		t.Errorf("%d plans were read, want 2", n)
	}
}

func TestChanged_WhileThePlanIsRead(t *testing.T) {
	r, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	r.set(4, domain.SeatBooked, 1, 0) // so that the plan is read again
	r.during = func() { in.maps.Changed(change(2, domain.SeatLocked, 3)) }
	in.clock.Advance(2 * maxAge)
	in.want(3, domain.SeatLocked, "right after the read")
	r.during = nil
	r.set(3, domain.SeatLocked, 2, time.Minute)
	in.clock.Advance(2 * maxAge)
	in.want(3, domain.SeatLocked, "after a read that has the change")
}

// A map that nobody asks for must not gather changes without end.
func TestChanged_OfAMapThatMustBeReadAnyway(t *testing.T) {
	r, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	in.clock.Advance(2 * maxAge)
	in.maps.Changed(change(1, domain.SeatLocked, 3)) // and the database does not have it any more
	in.want(3, domain.SeatAvailable, "after the next read")
	if plans, versions := r.plans.Load(), r.versions.Load(); plans != 1 || versions != 1 {
		t.Errorf("%d plans and %d versions were read, want one of each", plans, versions)
	}
}

func TestGet_ExpiredHoldIsAvailableWithoutAsking(t *testing.T) {
	r, in := setup(t, 300)
	r.set(3, domain.SeatLocked, 1, 100*time.Millisecond)
	r.set(299, domain.SeatLocked, 2, 150*time.Millisecond)
	in.want(3, domain.SeatLocked, "at first")
	in.clock.Advance(100*time.Millisecond - 1)
	in.want(3, domain.SeatLocked, "before its end")
	in.clock.Advance(1)
	in.want(3, domain.SeatAvailable, "at its end")
	in.want(299, domain.SeatLocked, "before the end of the other")
	in.clock.Advance(50 * time.Millisecond)
	in.want(299, domain.SeatAvailable, "at its end")
	if n := r.plans.Load() + r.versions.Load(); n != 1 {
		t.Errorf("the database was asked %d times, want 1", n)
	}
}

// What is left of a hold is counted from before the query, which is too early if the query was slow.
// The version does not change, and yet the seats have to be read again.
func TestGet_ReadsHoldsAgainAfterASlowQuery(t *testing.T) {
	r, in := setup(t, 10)
	r.set(3, domain.SeatLocked, 1, 1500*time.Millisecond)
	slow := true
	r.during = func() {
		if slow {
			in.clock.Advance(maxAge + 1)
		}
		slow = false
	}
	in.want(3, domain.SeatLocked, "at first")
	in.clock.Advance(2 * maxAge)
	in.want(3, domain.SeatLocked, "at the next read")
	if n := r.plans.Load(); n < 2 {
		t.Errorf("%d plans were read, want at least 2", n)
	}
}

// Reading the seats again would take as long again, for every request while the database is slow.
func TestGet_SlowQueryWithoutHoldsIsNotRepeated(t *testing.T) {
	r, in := setup(t, 10)
	r.set(3, domain.SeatBooked, 1, 0)
	r.during = func() { in.clock.Advance(maxAge + 1) }
	for range 3 {
		in.want(3, domain.SeatBooked, "after a slow query")
		in.clock.Advance(2 * maxAge)
	}
	if n := r.plans.Load(); n != 1 {
		t.Errorf("%d plans were read, want 1", n)
	}
}

func TestGet_ETagIdentifiesTheContent(t *testing.T) {
	r, in := setup(t, 300)
	other := newInstance(t, r, in.clock)
	first := in.get().ETag()
	if other.get().ETag() != first {
		t.Error("two instances have different tags for the same content")
	}
	in.maps.Changed(change(1, domain.SeatLocked, 200))
	if in.get().ETag() == first {
		t.Error("the tag does not change with the content")
	}
	in.maps.Changed(change(1, domain.SeatAvailable, 200))
	if in.get().ETag() != first {
		t.Error("the same content has another tag than before")
	}
}

func TestGet_ConcurrentCallsShareOneRead(t *testing.T) {
	r, in := setup(t, 10)
	const readers = 50
	arrived, finish := make(chan struct{}, readers), make(chan struct{})
	r.during = func() { <-finish }
	var group sync.WaitGroup
	for range readers {
		group.Go(func() {
			arrived <- struct{}{}
			if _, err := in.maps.Get(context.Background(), show); err != nil {
				t.Error(err)
			}
		})
	}
	for range readers {
		<-arrived
	}
	close(finish)
	group.Wait()
	if n := r.plans.Load(); n != 1 {
		t.Errorf("%d plans were read, want 1", n)
	}
}

func TestGet_ZeroMaxAgeAsksEachTime(t *testing.T) {
	t.Parallel()
	r, clock := newReader(10), testkit.NewClock(time.Now())
	in := &instance{t: t, clock: clock, maps: seatmap.New(r, seatmap.Options{Now: clock.Now})}
	in.want(3, domain.SeatAvailable, "at first")
	clock.Advance(1)
	r.set(3, domain.SeatBooked, 1, 0)
	in.want(3, domain.SeatBooked, "after a change by another instance")
}

func TestForgetAndReset_ReadAgain(t *testing.T) {
	r, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	r.set(3, domain.SeatBooked, 1, 0)
	in.maps.Forget(show)
	in.want(3, domain.SeatBooked, "after Forget")
	r.set(4, domain.SeatBooked, 2, 0)
	in.maps.Reset()
	in.want(4, domain.SeatBooked, "after Reset")
	r.gone = true
	in.maps.Forget(show)
	if _, err := in.maps.Get(t.Context(), show); !errors.Is(err, domain.ErrShowNotFound) {
		t.Errorf("deleted show: %v", err)
	}
}

func TestReset_WhileThePlanIsRead(t *testing.T) {
	r, in := setup(t, 10)
	r.during = func() {
		r.during = nil
		r.set(3, domain.SeatBooked, 1, 0)
		in.maps.Reset()
	}
	in.want(3, domain.SeatAvailable, "to who asked before")
	in.want(3, domain.SeatBooked, "to who asks after Reset")
}

func TestGet_ErrorsAreReturnedAndNotCached(t *testing.T) {
	r, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	r.err = domain.ErrOverloaded
	in.clock.Advance(2 * maxAge)
	if _, err := in.maps.Get(t.Context(), show); !errors.Is(err, domain.ErrOverloaded) {
		t.Errorf("error %v", err)
	}
	r.err = nil
	in.want(3, domain.SeatAvailable, "when the database is back")
	if n := r.plans.Load(); n != 1 {
		t.Errorf("%d plans were read, want 1: the state is still good", n)
	}
}

// reads returns how many plans are read while shows 1 to shows are asked for in turn.
func reads(t *testing.T, maps *seatmap.Cache, r *fakeReader, shows int64, rounds int) int64 {
	t.Helper()
	before := r.plans.Load()
	for range rounds {
		for id := range shows {
			if _, err := maps.Get(t.Context(), id+1); err != nil {
				t.Fatal(err)
			}
		}
	}
	return r.plans.Load() - before
}

func TestCache_FiveHotArenasFitTheDefaultBound(t *testing.T) {
	t.Parallel()
	cfg, err := config.Load(map[string]string{"DATABASE_URL": "postgres://localhost/x"}, config.NeedDatabase)
	if err != nil {
		t.Fatal(err)
	}
	r, clock := newReader(20_000), testkit.NewClock(time.Now())
	maps := seatmap.New(r, seatmap.Options{MaxAge: cfg.Cache.MaxAge, MaxBytes: cfg.Cache.SeatMapBytes, Now: clock.Now})
	if n := reads(t, maps, r, 5, 1); n != 5 {
		t.Errorf("%d plans were read at first, want 5", n)
	}
	for range 3 {
		clock.Advance(2 * cfg.Cache.MaxAge)
		if n := reads(t, maps, r, 5, 2); n != 0 {
			t.Errorf("%d plans were read again, want none", n)
		}
	}
}

// With the least recently used dropped first, one map too many would make every request miss.
func TestCache_OneMapTooManyDegradesGradually(t *testing.T) {
	t.Parallel()
	r, clock := newReader(100), testkit.NewClock(time.Now())
	maps := seatmap.New(r, seatmap.Options{MaxAge: maxAge, MaxBytes: 270_000, Now: clock.Now}) // ten maps
	const rounds, shows = 100, 11
	if n := reads(t, maps, r, shows, rounds); n <= shows || n > rounds*shows/2 {
		t.Errorf("%d of %d requests read the plan", n, rounds*shows)
	}
}
