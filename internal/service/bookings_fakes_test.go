package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
	"evently/internal/testkit"
)

const (
	buyer  = int64(5)
	showID = int64(7)
)

var (
	now     = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)
	noKey   = domain.RequestKey{}
	aKey    = domain.RequestKey{UserID: buyer, Route: "POST /x", Key: "k"}
	errDown = errors.New("down")
)

// world is all that is around Bookings. It shows in which order what is called, and what happens when
// something fails; how the real ones behave is shown elsewhere.
type world struct {
	store    *store
	rules    service.BookingRules
	clock    *testkit.Clock
	redisErr error              // of every call to Redis
	taken    []domain.TakenSeat // by other locks

	mu                 sync.Mutex
	calls              []string // in their order
	recorded           []string // those of them that are calls of the recorder
	acquired, extended domain.SeatLock
	released           []domain.SeatLock
	late               int // calls after a commit with a context that has ended
}

func newWorld() *world {
	w := &world{
		clock: testkit.NewClock(now),
		rules: service.BookingRules{
			HoldFor: time.Minute, FirstLockTTL: 10 * time.Second, MaxSeatsPerBooking: 3, CleanupBatch: 2,
			RecordTimeout: time.Minute, KeepResponses: time.Hour, ChargeTimeout: time.Minute,
		},
	}
	w.store = &store{world: w, hold: domain.HoldState{
		Now: now, NextBookingID: 99, Found: true, UserActive: true, ShowStart: now.Add(time.Hour),
		Seats: []domain.SeatState{
			{Seat: seat(1), Price: 45000},
			{Seat: seat(2), Price: 45000},
		},
	}}
	return w
}

// seat is a seat of row A.
func seat(number int32) domain.Seat {
	return domain.Seat{ID: int64(number), SeatSpec: domain.SeatSpec{SeatPlace: domain.SeatPlace{Row: "A", Number: number}}}
}

// paidHold is a hold of the buyer that can be confirmed.
func paidHold() service.BookingState {
	return service.BookingState{
		Now: now, ShowStart: now.Add(time.Hour),
		Booking: domain.Booking{
			ID: 1, UserID: buyer, ShowID: showID, Status: domain.BookingPending, Amount: 90000, LockToken: "token",
			CreatedAt: now.Add(-time.Minute), ExpiresAt: now.Add(time.Minute),
		},
		Seats:    []domain.BookedSeat{{Seat: domain.Seat{ID: 1}, Price: 45000}, {Seat: domain.Seat{ID: 2}, Price: 45000}},
		Payments: []domain.Payment{{ID: 1, BookingID: 1, AttemptKey: "pay_1", Amount: 90000, Status: domain.PaymentSucceeded, TransactionID: "txn_1", PaidAt: &now}},
	}
}

func (w *world) bookings() *service.Bookings { return w.bookingsOn(w.store) }

func (w *world) bookingsOn(store service.BookingStore) *service.Bookings {
	b, err := service.NewBookings(service.BookingDeps{
		Store: store, Locks: w, Admissions: w, Feed: w, Refunds: w, Rules: w.rules, Recorder: w,
		Log: slog.New(slog.DiscardHandler), Now: w.clock.Now,
	})
	if err != nil {
		panic(err)
	}
	return b
}

func (w *world) request(key domain.RequestKey) service.Request {
	return service.Request{Key: key, Encoder: encoder{}}
}

func (w *world) lock(ctx context.Context, key domain.RequestKey, seats ...int64) (service.Response, error) {
	return w.bookings().Lock(ctx, service.LockSeats{UserID: buyer, ShowID: showID, SeatIDs: seats}, w.request(key))
}

func (w *world) confirm(ctx context.Context) (service.Response, error) {
	return w.bookings().Confirm(ctx, buyer, 1, w.request(aKey))
}

func (w *world) cancel(ctx context.Context) (service.Response, error) {
	return w.bookings().Cancel(ctx, buyer, 1, w.request(noKey))
}

// want fails the test unless exactly these calls were made.
func (w *world) want(t *testing.T, calls ...string) {
	t.Helper()
	if diff := cmp.Diff(strings.Join(calls, "\n"), strings.Join(w.calls, "\n")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func (w *world) called(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, fmt.Sprintf(format, args...))
}

// follow is called by what follows a commit.
func (w *world) follow(ctx context.Context) error {
	if ctx.Err() != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.late++
	}
	return w.redisErr
}

func (w *world) Acquire(_ context.Context, lock domain.SeatLock, ttl time.Duration) ([]domain.TakenSeat, error) {
	w.called("acquire %v for %s", lock.SeatIDs, ttl)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acquired = lock
	return w.taken, w.redisErr
}

func (w *world) Extend(ctx context.Context, lock domain.SeatLock, ttl time.Duration) error {
	w.called("extend %v for %s", lock.SeatIDs, ttl)
	err := w.follow(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.extended = lock
	return err
}

func (w *world) Release(ctx context.Context, locks ...domain.SeatLock) error {
	if err := w.follow(ctx); err != nil {
		return err
	}
	for _, lock := range locks {
		w.called("release %v", lock.SeatIDs)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.released = append(w.released, locks...)
	return nil
}

func (w *world) End(ctx context.Context, show, user int64, booked time.Time) error {
	w.called("end admission %d of %d booked %s", show, user, booked.Format("15:04"))
	return w.follow(ctx)
}

func (w *world) Changed(c domain.SeatChange) {
	w.called("feed %s %v for %s", c.Status, c.SeatIDs, c.HoldFor)
}

func (w *world) WakeRefunds(ctx context.Context) error {
	w.called("wake refunds")
	return w.follow(ctx)
}

func (w *world) record(format string, args ...any) {
	w.called(format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recorded = append(w.recorded, fmt.Sprintf(format, args...))
}

func (w *world) SeatLock(layer service.LockLayer, outcome service.LockOutcome) {
	w.record("%s %s", layer, outcome)
}
func (w *world) Hold(event domain.BookingEvent)       { w.record("%s", event) }
func (w *world) HoldReleased(overdue time.Duration)   { w.record("expired by %s", overdue) }
func (w *world) Payment(result service.PaymentResult) { w.record("payment %s", result) }
func (w *world) Refund()                              { w.record("refunded") }

// encoder encodes nothing but the status.
type encoder struct{}

func (encoder) Encode(domain.BookingDetails) (service.Response, error) {
	return service.Response{Status: 200}, nil
}

func (encoder) EncodeError(err error) service.Response {
	status, _ := respond.ErrorBody(context.Background(), err)
	return service.Response{Status: status}
}

// store is a BookingStore that returns what the test has put there. Methods that a test does not expect
// are a nil dereference.
type store struct {
	service.BookingStore
	world      *world
	hold       domain.HoldState
	booking    service.BookingState
	sweeping   bool  // what is committed is not among the calls
	due        int   // expired holds
	loadErr    error // of every load
	committing func()
	replay     service.Response
	replayErr  error
	// begun is what is stored for a key, run by run. With more than one, all runs but the last are rolled back.
	begun     []service.Response
	requested domain.HoldRequest
	showReads int

	mu sync.Mutex // for the sweepers
}

// transaction is one run of a transaction.
type transaction struct {
	run    int
	saved  []string
	failed error // of the statements that were queued
}

// load returns the error of the next statement of the transaction.
func (s *store) load(ctx context.Context) error {
	if tx, _ := ctx.Value(txKey{}).(*transaction); tx != nil && tx.failed != nil {
		return tx.failed
	}
	return s.loadErr
}

// txKey is the context key of the transaction.
type txKey struct{}

func (s *store) InTx(ctx context.Context, fn func(ctx context.Context) error) error {
	for run := 0; ; run++ {
		tx := &transaction{run: run}
		if err := fn(context.WithValue(ctx, txKey{}, tx)); err != nil {
			return err
		}
		if run < len(s.begun)-1 {
			continue // as after a deadlock
		}
		if !s.sweeping {
			s.world.called("%s", strings.TrimSpace("commit "+strings.Join(tx.saved, " ")))
		}
		if s.committing != nil {
			s.committing()
		}
		return nil
	}
}

func (s *store) Save(ctx context.Context, transitions ...domain.Transition) {
	tx, _ := ctx.Value(txKey{}).(*transaction)
	for _, t := range transitions {
		tx.saved = append(tx.saved, string(t.Event))
	}
}

func (s *store) LoadHold(ctx context.Context, request domain.HoldRequest) (domain.HoldState, error) {
	s.world.called("load hold")
	s.requested = request
	state := s.hold
	state.Seats = slices.Clone(state.Seats)
	if len(request.SeatIDs) < len(state.Seats) {
		state.Seats = state.Seats[:len(request.SeatIDs)]
	}
	return state, s.load(ctx)
}

func (s *store) LoadBooking(ctx context.Context, _, _ int64, _ string) (service.BookingState, error) {
	return s.booking, s.load(ctx)
}

func (s *store) LoadDueHolds(_ context.Context, limit int) ([]domain.ExpiredHold, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.loadErr != nil {
		return nil, s.loadErr
	}
	n := min(limit, s.due)
	s.due -= n
	return make([]domain.ExpiredHold, n), nil
}

func (s *store) BookingDetails(_ context.Context, userID, bookingID int64) (domain.BookingDetails, error) {
	return domain.BookingDetails{Booking: domain.Booking{ID: bookingID, UserID: userID}}, nil
}

func (s *store) BookingShow(_ context.Context, id int64) (domain.ShowDetails, error) {
	s.showReads++
	return domain.ShowDetails{Show: domain.Show{ID: id}}, nil
}

func (s *store) BeginKey(ctx context.Context, _ domain.RequestKey, _ time.Duration) {
	if tx, _ := ctx.Value(txKey{}).(*transaction); tx.run < len(s.begun) && !s.begun[tx.run].IsZero() {
		tx.failed = &service.Replay{Response: s.begun[tx.run]}
	}
}

func (s *store) StoredResponse(context.Context, domain.RequestKey, time.Duration) (service.Response, error) {
	return s.replay, s.replayErr
}

func (s *store) StoreResponse(context.Context, domain.RequestKey, service.Response) {}
func (s *store) ClaimKey(context.Context, domain.RequestKey, time.Duration)         {}
func (s *store) ReleaseKey(context.Context, domain.RequestKey)                      {}

// wantPanic fails the test unless err is the panic "on purpose" with its stack.
func wantPanic(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "on purpose") || !strings.Contains(err.Error(), "_test.go") {
		t.Errorf("returned %v", err)
	}
}
