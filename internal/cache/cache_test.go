package cache_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"evently/internal/cache"
	"evently/internal/domain"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	maxAge = 200 * time.Millisecond
	show   = 7
)

// books is what a database would tell of one show.
type books struct {
	mu       sync.Mutex
	seats    []domain.PlannedSeat
	version  int
	gone     bool
	err      error
	versions atomic.Int64 // questions for the version
	plans    atomic.Int64 // and for the whole
	// during, when set, is called while a plan is read, behind what it sees.
	during func()
}

func newBooks(seats int) *books {
	b := &books{seats: make([]domain.PlannedSeat, seats)}
	for i := range b.seats {
		b.seats[i].Seat = domain.Seat{ID: int64(i + 1), VenueID: 1, Row: "A", Number: int32(i + 1)}
		b.seats[i].Status = domain.SeatAvailable
	}
	return b
}

// set is a change by anybody.
func (b *books) set(seat int64, status domain.SeatStatus, booking int64, left time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.seats[seat-1]
	s.Status, s.BookingID, s.HoldLeft = status, booking, left
	b.version++
}

func (b *books) answer() (string, error) {
	if b.gone {
		return "", domain.ErrShowNotFound
	}
	return fmt.Sprint(b.version), b.err
}

func (b *books) SeatsVersion(context.Context, int64) (string, error) {
	b.versions.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answer()
}

func (b *books) SeatPlan(context.Context, int64) (string, []domain.PlannedSeat, error) {
	b.plans.Add(1)
	b.mu.Lock()
	version, err := b.answer()
	seats := append([]domain.PlannedSeat(nil), b.seats...)
	during := b.during
	b.mu.Unlock()
	if during != nil {
		during()
	}
	return version, seats, err
}

func encode(b []byte, seats []domain.ShowSeat) ([]byte, error) {
	for i, seat := range seats {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `"%d %s"`, seat.ID, seat.Status)
	}
	return b, nil
}

// instance is one process's maps.
type instance struct {
	t     *testing.T
	maps  *cache.SeatMaps
	clock *testkit.Clock
}

func newInstance(t *testing.T, b *books, clock *testkit.Clock) *instance {
	return &instance{t: t, clock: clock, maps: cache.NewSeatMaps(b, encode,
		cache.Options{MaxAge: maxAge, MaxBytes: 1 << 20, Now: clock.Now})}
}

func setup(t *testing.T, seats int) (*books, *instance) {
	t.Helper()
	t.Parallel()
	b := newBooks(seats)
	return b, newInstance(t, b, testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)))
}

// status gives what the map says of a seat, in both of its forms.
func (in *instance) status(seat int64) string {
	in.t.Helper()
	body, err := in.maps.Get(in.t.Context(), show)
	if err != nil {
		in.t.Fatal(err)
	}
	plain := plainOf(body)
	z, err := gzip.NewReader(bytes.NewReader(body.Gzip()))
	if err != nil {
		in.t.Fatal(err)
	}
	unpacked, err := io.ReadAll(z)
	if err != nil || string(unpacked) != plain {
		in.t.Fatalf("gzip: %v\n%s\nplain:\n%s", err, unpacked, plain)
	}
	_, rest, _ := strings.Cut(plain, fmt.Sprintf(`"%d `, seat))
	status, _, _ := strings.Cut(rest, `"`)
	return status
}

func plainOf(body *cache.Body) string {
	parts, length := body.Plain()
	plain := string(bytes.Join(parts, nil))
	if len(plain) != length {
		return fmt.Sprintf("%d bytes, said to be %d", len(plain), length)
	}
	return plain
}

func (in *instance) want(seat int64, status domain.SeatStatus, why string) {
	in.t.Helper()
	if got := in.status(seat); got != string(status) {
		in.t.Errorf("%s: seat %d is %s, want %s", why, seat, got, status)
	}
}

func change(booking int64, status domain.SeatStatus, seats ...int64) domain.SeatChange {
	return domain.SeatChange{ShowID: show, BookingID: booking, SeatIDs: seats, Status: status, HoldFor: time.Minute}
}

func TestOwnChangesShowAtOnce(t *testing.T) {
	b, in := setup(t, 1000) // several pieces
	in.want(500, domain.SeatAvailable, "at first")
	for _, step := range []struct {
		status domain.SeatStatus
		id     int64
	}{{domain.SeatLocked, 1}, {domain.SeatBooked, 1}, {domain.SeatAvailable, 1}, {domain.SeatLocked, 2}} {
		b.set(500, step.status, step.id, time.Minute)
		in.maps.Changed(change(step.id, step.status, 500))
		in.want(500, step.status, "after our own change")
		in.want(499, domain.SeatAvailable, "beside it")
	}
	if n := b.plans.Load(); n != 1 {
		t.Errorf("%d plans were read, want 1", n)
	}
	// What comes late, because another goroutine was faster, changes nothing.
	in.maps.Changed(change(1, domain.SeatAvailable, 500))
	in.want(500, domain.SeatLocked, "after a cancel of a booking before")
	in.maps.Changed(change(2, domain.SeatBooked, 500))
	in.maps.Changed(change(2, domain.SeatLocked, 500))
	in.want(500, domain.SeatBooked, "after a lock that was confirmed already")
}

// The process stood still between a commit and telling the map of it. Meanwhile others have undone
// what it did, and a map that is being read shows that already.
func TestAChangeThatComesLateIsReadAnew(t *testing.T) {
	for _, status := range []domain.SeatStatus{domain.SeatLocked, domain.SeatBooked} {
		t.Run(string(status), func(t *testing.T) {
			b, in := setup(t, 10)
			in.want(3, domain.SeatAvailable, "at first")
			b.set(4, domain.SeatBooked, 2, 0)
			in.clock.Advance(maxAge + 1)
			b.during = func() {
				late := change(1, status, 3)
				late.Took = 4 * time.Second
				in.maps.Changed(late)
			}
			in.want(3, domain.SeatAvailable, "told of what was undone")
			b.during = nil
			in.want(3, domain.SeatAvailable, "within the age")
			// It is not lost either, if it was not undone.
			b.set(3, status, 3, time.Minute)
			late := change(3, status, 3)
			late.Took = 4 * time.Second
			in.maps.Changed(late)
			in.want(3, status, "after a change that was late")
		})
	}
}

func TestOthersChangesShowWithinTheAge(t *testing.T) {
	b, in := setup(t, 10)
	other := newInstance(t, b, in.clock)
	in.want(3, domain.SeatAvailable, "at first")
	other.want(3, domain.SeatAvailable, "at first")
	b.set(3, domain.SeatLocked, 1, time.Minute)
	other.maps.Changed(change(1, domain.SeatLocked, 3))
	other.want(3, domain.SeatLocked, "where it was made")
	in.clock.Advance(maxAge)
	in.want(3, domain.SeatAvailable, "within the age")
	in.clock.Advance(time.Nanosecond)
	in.want(3, domain.SeatLocked, "beyond the age")

	plans := b.plans.Load()
	for range 5 {
		in.clock.Advance(2 * maxAge)
		in.want(3, domain.SeatLocked, "without a change")
	}
	if n := b.plans.Load() - plans; n != 0 {
		t.Errorf("%d plans were read although nothing had changed", n)
	}
}

// Another instance ends what this one has made: the version is what it was before both.
func TestWhatIsMadeHereAndEndedThereIsNotKept(t *testing.T) {
	b, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	in.maps.Changed(change(1, domain.SeatLocked, 3)) // and the books are as they were
	in.want(3, domain.SeatLocked, "until it is read again")
	in.clock.Advance(2 * maxAge)
	in.want(3, domain.SeatAvailable, "when it was read again")
	if n := b.plans.Load(); n != 2 {
		t.Errorf("%d plans were read, want 2", n)
	}
}

// A plan that was read before our change must not hide it.
func TestAChangeWhileAPlanIsReadIsKept(t *testing.T) {
	b, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	b.set(4, domain.SeatBooked, 1, 0) // so that the whole is read again
	b.during = func() { in.maps.Changed(change(2, domain.SeatLocked, 3)) }
	in.clock.Advance(2 * maxAge)
	in.want(3, domain.SeatLocked, "right behind the plan")
	b.during = nil
	b.set(3, domain.SeatLocked, 2, time.Minute)
	in.clock.Advance(2 * maxAge)
	in.want(3, domain.SeatLocked, "when the books have it, too")
}

func TestAHoldThatIsOverReadsAvailableWithoutAWrite(t *testing.T) {
	b, in := setup(t, 300)
	b.set(3, domain.SeatLocked, 1, 100*time.Millisecond)
	b.set(299, domain.SeatLocked, 2, 150*time.Millisecond)
	in.want(3, domain.SeatLocked, "at first")
	in.clock.Advance(100*time.Millisecond - 1)
	in.want(3, domain.SeatLocked, "before its end")
	in.clock.Advance(1)
	in.want(3, domain.SeatAvailable, "at its end")
	in.want(299, domain.SeatLocked, "before the end of the other")
	in.clock.Advance(50 * time.Millisecond)
	in.want(299, domain.SeatAvailable, "at its end")
	if n := b.plans.Load() + b.versions.Load(); n != 1 {
		t.Errorf("the books were asked %d times, want 1", n)
	}
}

// The process stood still while the database was asked: what is left of a hold is then counted from
// too early. Nothing in the books changes, and yet they have to be read again.
func TestTheEndsOfHoldsAreReadAgainAfterASlowAnswer(t *testing.T) {
	b, in := setup(t, 10)
	b.set(3, domain.SeatLocked, 1, 800*time.Millisecond)
	b.during = func() { in.clock.Advance(time.Second) }
	in.want(3, domain.SeatAvailable, "a moment too early, by what the answer took")
	b.during = nil
	in.clock.Advance(2 * maxAge)
	b.set(3, domain.SeatLocked, 1, 400*time.Millisecond)
	b.version-- // the end of a hold is no change
	in.want(3, domain.SeatLocked, "behind the slow answer")
}

func TestTheTagIsThatOfTheContent(t *testing.T) {
	b, in := setup(t, 300)
	other := newInstance(t, b, in.clock)
	tag := func(in *instance) string {
		body, err := in.maps.Get(t.Context(), show)
		if err != nil {
			t.Fatal(err)
		}
		return body.Tag()
	}
	first := tag(in)
	if tag(other) != first {
		t.Error("two instances give one content two tags")
	}
	in.maps.Changed(change(1, domain.SeatLocked, 200))
	if tag(in) == first {
		t.Error("another content has the same tag")
	}
	in.maps.Changed(change(1, domain.SeatAvailable, 200))
	if tag(in) != first {
		t.Error("the old content has another tag than before")
	}
}

func TestAStampedeAsksOnce(t *testing.T) {
	b, in := setup(t, 10)
	const readers = 50
	arrived, gone := make(chan struct{}, readers), make(chan struct{})
	b.during = func() { <-gone }
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
	close(gone)
	group.Wait()
	if n := b.plans.Load(); n != 1 {
		t.Errorf("%d plans were read, want 1", n)
	}
}

func TestForgettingReadsAgain(t *testing.T) {
	b, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	b.set(3, domain.SeatBooked, 1, 0)
	in.maps.Forget()
	in.want(3, domain.SeatBooked, "after Forget")
	b.gone = true
	in.maps.Forget()
	if _, err := in.maps.Get(t.Context(), show); !errors.Is(err, domain.ErrShowNotFound) {
		t.Errorf("a show that was deleted: %v", err)
	}
}

// A map that cannot be checked is not given, however good it may be.
func TestErrorsAreGivenAndNotKept(t *testing.T) {
	b, in := setup(t, 10)
	in.want(3, domain.SeatAvailable, "at first")
	b.err = domain.ErrOverloaded
	in.clock.Advance(2 * maxAge)
	if _, err := in.maps.Get(t.Context(), show); !errors.Is(err, domain.ErrOverloaded) {
		t.Errorf("got %v", err)
	}
	b.err = nil
	in.want(3, domain.SeatAvailable, "when the books are back")
}

func TestTheMemoryIsBounded(t *testing.T) {
	b, _ := setup(t, 100)
	clock := testkit.NewClock(time.Unix(0, 0))
	maps := cache.NewSeatMaps(b, encode, cache.Options{MaxAge: time.Hour, MaxBytes: 100_000, Now: clock.Now})
	get := func(id int64) {
		t.Helper()
		if _, err := maps.Get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	for id := range int64(100) {
		get(id)
	}
	plans := b.plans.Load()
	get(99)
	if b.plans.Load() != plans {
		t.Error("the last map was not kept")
	}
	get(0)
	if b.plans.Load() != plans+1 {
		t.Error("a hundred maps of 20 kB were kept in 100 kB")
	}
}
