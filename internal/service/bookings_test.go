package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/service"
)

func TestSimulatedPayments(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	never := service.NewSimulatedPayments(0, 0)
	always := service.NewSimulatedPayments(0, 1)
	slow := service.NewSimulatedPayments(time.Hour, 1)
	charge := service.Charge{Key: "booking-1", Amount: 45000}

	first, err := always.Charge(ctx, charge)
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := always.Charge(ctx, charge); err != nil || again != first {
		t.Errorf("the same charge made twice is %q and %q, %v", first, again, err)
	}
	if other, _ := always.Charge(ctx, service.Charge{Key: "booking-2", Amount: 45000}); other == first {
		t.Error("two bookings have one transaction")
	}
	if _, err := never.Charge(ctx, charge); !errors.Is(err, domain.ErrPaymentDeclined) {
		t.Errorf("got %v", err)
	}
	charge.Outcome = service.OutcomeDecline
	if _, err := slow.Charge(ctx, charge); !errors.Is(err, domain.ErrPaymentDeclined) {
		t.Errorf("got %v", err)
	}
	charge.Outcome = service.OutcomeSuccess
	if _, err := slow.Charge(ctx, charge); err != nil {
		t.Errorf("an outcome that is asked for takes no time and no luck: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	charge.Outcome = service.OutcomeByChance
	if _, err := slow.Charge(gone, charge); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went away waits: %v", err)
	}
}

// gate is a seat locker that remembers what it was asked. A real one stands behind the tests
// over HTTP; this one shows what happens in which order when it or the store fails.
type gate struct {
	taken    []int64
	err      error
	acquired string // the token
	released []domain.SeatLock
}

func (g *gate) Acquire(_ context.Context, lock domain.SeatLock, _ time.Duration) (taken []domain.TakenSeat, err error) {
	g.acquired = lock.Token
	for _, seat := range g.taken {
		taken = append(taken, domain.TakenSeat{SeatID: seat})
	}
	return taken, g.err
}

func (g *gate) Release(ctx context.Context, locks ...domain.SeatLock) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	g.released = append(g.released, locks...)
	return g.err
}

// store answers HoldSeats alone: any other call is a nil dereference and fails the test.
type store struct {
	service.BookingStore
	asked  int
	err    error
	lapsed []time.Duration

	recorded []string
}

func (s *store) SeatLock(layer service.LockLayer, outcome service.LockOutcome) {
	s.recorded = append(s.recorded, string(layer)+" "+string(outcome))
}
func (s *store) Hold(event service.HoldEvent) { s.recorded = append(s.recorded, string(event)) }
func (s *store) HoldReleased(overdue time.Duration) {
	s.recorded = append(s.recorded, "released "+overdue.String())
}
func (s *store) Payment(result service.PaymentResult) {
	s.recorded = append(s.recorded, string(result))
}
func (s *store) Refund() { s.recorded = append(s.recorded, "refund") }

func (s *store) HoldSeats(_ context.Context, hold service.NewHold) (domain.Hold, error) {
	s.asked++
	return domain.Hold{Booking: domain.Booking{ID: 1, ShowID: hold.ShowID}, Lapsed: s.lapsed}, s.err
}

func bookings(s *store, g *gate) *service.Bookings {
	rules := service.BookingRules{HoldFor: time.Minute, MaxSeatsPerBooking: 3, CleanupBatch: 10, RecordTimeout: time.Second}
	return service.NewBookings(service.BookingDeps{Store: s, Locks: g, Rules: rules, Recorder: s, Log: slog.New(slog.DiscardHandler), Now: time.Now})
}

func TestLockStopsAtTheGate(t *testing.T) {
	t.Parallel()
	s, g := &store{}, &gate{taken: []int64{2}}
	_, err := bookings(s, g).Lock(context.Background(), 1, 7, []int64{1, 2}, nil)
	if !errors.Is(err, domain.ErrSeatsUnavailable) || s.asked != 0 {
		t.Errorf("got %v after %d questions to the store", err, s.asked)
	}
}

// Seats that are refused for their number or for being named twice are never locked.
func TestOrderSeats(t *testing.T) {
	t.Parallel()
	b := bookings(&store{}, &gate{})
	given := []int64{3, 1, 2}
	if seats, err := b.OrderSeats(given); err != nil || fmt.Sprint(seats, given) != "[1 2 3] [3 1 2]" {
		t.Errorf("%v of %v, %v", seats, given, err)
	}
	for _, c := range []struct {
		seats []int64
		want  error
	}{
		{nil, domain.ErrValidation},
		{[]int64{1, 2, 3, 4}, domain.ErrValidation},
		{[]int64{2, 1, 2}, domain.ErrDuplicateSeats},
		{[]int64{1, 1}, domain.ErrDuplicateSeats},
	} {
		if _, err := b.OrderSeats(c.seats); !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c.seats, err)
		}
	}
}

func TestLockGoesOnWithoutTheGate(t *testing.T) {
	t.Parallel()
	s, g := &store{}, &gate{err: errors.New("down")}
	if _, err := bookings(s, g).Lock(context.Background(), 1, 7, []int64{1, 2}, nil); err != nil || s.asked != 1 {
		t.Errorf("got %v after %d questions to the store", err, s.asked)
	}
}

func TestLockReleasesWhatTheStoreRefused(t *testing.T) {
	t.Parallel()
	s, g := &store{err: domain.ErrSeatLimit}, &gate{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the client has gone: its locks are released all the same
	if _, err := bookings(s, g).Lock(ctx, 1, 7, []int64{2, 1}, nil); !errors.Is(err, domain.ErrSeatLimit) {
		t.Fatalf("got %v", err)
	}
	if len(g.released) != 1 || g.released[0].ShowID != 7 || len(g.released[0].SeatIDs) != 2 || g.released[0].Token == "" {
		t.Errorf("released %+v", g.released)
	}
}

// Redis stalls when a lock is to be released: the seat must not stay taken until the lock runs out.
func TestAFailedReleaseIsTriedAgain(t *testing.T) {
	t.Parallel()
	s, g := &store{err: domain.ErrSeatLimit}, &gate{}
	b := bookings(s, g)
	g.err = errors.New("down")
	for range 3 {
		if _, err := b.Lock(context.Background(), 1, 7, []int64{1}, nil); !errors.Is(err, domain.ErrSeatLimit) {
			t.Fatalf("got %v", err)
		}
	}
	if _, err := b.RetryReleases(context.Background()); err == nil {
		t.Error("a release that fails again is no success")
	}
	g.err, g.released = nil, nil
	if n, err := b.RetryReleases(context.Background()); n != 3 || err != nil || len(g.released) != 3 {
		t.Errorf("released %d, %v: %+v", n, err, g.released)
	}
	if n, err := b.RetryReleases(context.Background()); n != 0 || err != nil {
		t.Errorf("released %d again, %v", n, err)
	}
}

func TestLockRefusesBadSeatLists(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seats []int64
		want  error
	}{
		"none":      {nil, domain.ErrValidation},
		"too many":  {[]int64{1, 2, 3, 4}, domain.ErrValidation},
		"duplicate": {[]int64{1, 2, 1}, domain.ErrDuplicateSeats},
	} {
		s, g := &store{}, &gate{}
		if _, err := bookings(s, g).Lock(context.Background(), 1, 7, c.seats, nil); !errors.Is(err, c.want) || s.asked != 0 {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestLockIsRecordedByLayerAndOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		store store
		gate  gate
		want  []string
	}{
		"won":      {store{lapsed: []time.Duration{time.Second}}, gate{}, []string{"redis won", "postgres won", "held", "released 1s"}},
		"lost":     {store{}, gate{taken: []int64{1}}, []string{"redis lost"}},
		"too late": {store{err: domain.ErrSeatsUnavailable}, gate{}, []string{"redis won", "postgres lost"}},
		"refused":  {store{err: domain.ErrSeatLimit}, gate{}, []string{"redis won", "postgres refused"}},
		"no redis": {store{}, gate{err: errors.New("down")}, []string{"redis failed", "postgres won", "held"}},
		"no store": {store{err: domain.ErrOverloaded}, gate{}, []string{"redis won", "postgres failed"}},
	} {
		_, _ = bookings(&c.store, &c.gate).Lock(t.Context(), 1, 7, []int64{1, 2}, nil)
		if diff := cmp.Diff(c.want, c.store.recorded); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// confirming is a store in which every booking gets confirmed.
type confirming struct{ *store }

var settled = domain.SeatLock{ShowID: 7, SeatIDs: []int64{1, 2}, Token: "token"}

func (confirming) ConfirmBooking(_ context.Context, userID, bookingID int64) (service.SettledBooking, error) {
	booking := domain.Booking{ID: bookingID, UserID: userID, ShowID: settled.ShowID, Status: domain.BookingConfirmed}
	return service.SettledBooking{Booking: booking, Changed: true, Lock: settled}, nil
}

// rooms is the waiting rooms that remember what was given back.
type rooms struct {
	err   error
	users []int64
}

func (r *rooms) End(ctx context.Context, _, userID int64, _ time.Time) error {
	r.users = append(r.users, userID)
	return errors.Join(r.err, ctx.Err())
}

// What a booking has in Redis is given back at once, for a client that has gone too; without the waiting
// room the locks are released all the same.
func TestASettledBookingGivesBackWhatItHasInRedis(t *testing.T) {
	t.Parallel()
	for _, down := range []error{nil, errors.New("down")} {
		s, g, r := &store{}, &gate{}, &rooms{err: down}
		b := service.NewBookings(service.BookingDeps{
			Store: confirming{s}, Locks: g, Admissions: r, Rules: service.BookingRules{RecordTimeout: time.Second},
			Recorder: s, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.Confirm(ctx, 5, 1, nil); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]domain.SeatLock{settled}, g.released); diff != "" || r.users[0] != 5 {
			t.Errorf("users %v: %s", r.users, diff)
		}
	}
}

// expiring is a store with two batches of holds that have run out, on locks that panic.
type expiring struct {
	*store
	batches int
}

func (s *expiring) ExpireBookings(_ context.Context, limit int) ([]domain.SeatLock, error) {
	s.batches++
	if s.batches > 2 {
		return nil, nil
	}
	return make([]domain.SeatLock, limit), nil
}

type brokenLocks struct{ *gate }

func (brokenLocks) Release(context.Context, ...domain.SeatLock) error { panic("on purpose") }

// What panics beside the sweep is the panic of whoever sweeps, and not the end of the process.
func TestAPanicBesideTheSweepIsTheSweeps(t *testing.T) {
	t.Parallel()
	s := &store{}
	b := service.NewBookings(service.BookingDeps{
		Store: &expiring{store: s}, Locks: brokenLocks{&gate{}}, Rules: service.BookingRules{CleanupBatch: 3, RecordTimeout: time.Second},
		Recorder: s, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	defer func() {
		if cause := recover(); cause != "on purpose" {
			t.Errorf("it panicked with %v", cause)
		}
	}()
	_, _ = b.ExpireDue(t.Context())
}

// All locks of all batches are released when the sweep is over.
func TestASweepHasReleasedAllWhenItIsOver(t *testing.T) {
	t.Parallel()
	s, g := &store{}, &gate{}
	b := service.NewBookings(service.BookingDeps{
		Store: &expiring{store: s}, Locks: g, Rules: service.BookingRules{CleanupBatch: 3, RecordTimeout: time.Second},
		Recorder: s, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if n, err := b.ExpireDue(t.Context()); n != 6 || err != nil || len(g.released) != 6 {
		t.Errorf("%d ended, %d locks released, %v", n, len(g.released), err)
	}
}
