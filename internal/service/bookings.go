package service

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"evently/internal/domain"
)

// BookingStore is what PostgreSQL must do for bookings. Each method is one transaction, and
// what it decides it decides under the row locks that it takes.
type BookingStore interface {
	// HoldSeats makes a PENDING booking of all the seats or of none.
	HoldSeats(ctx context.Context, hold NewHold) (domain.Hold, error)
	// BookingForPayment reads what decides whether a booking may be paid, without locking it.
	BookingForPayment(ctx context.Context, userID, bookingID int64) (PayableBooking, error)
	// RecordPayment stores a charge that was made, as a refund if the booking can no longer use it.
	RecordPayment(ctx context.Context, userID, bookingID int64, transactionID string) (PayableBooking, error)
	// ConfirmBooking confirms a paid hold that is still alive.
	ConfirmBooking(ctx context.Context, userID, bookingID int64) (SettledBooking, error)
	// CancelBooking cancels a booking, frees its seats and refunds what was paid.
	CancelBooking(ctx context.Context, userID, bookingID int64) (SettledBooking, error)
	// ExpireBooking ends one hold whose time is over. It does nothing to any other booking.
	ExpireBooking(ctx context.Context, bookingID int64) ([]domain.SeatLock, error)
	// ExpireBookings ends up to limit holds whose time is over.
	ExpireBookings(ctx context.Context, limit int) ([]domain.SeatLock, error)

	// InTx runs fn in one transaction: what it does through the store happens together or not at all.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	// RecordAnswer stores what a request with an idempotency key is told. It fails with
	// domain.ErrIdempotencyInProgress when the claim has passed to another request meanwhile.
	RecordAnswer(ctx context.Context, claim *domain.Claim, answer domain.StoredAnswer) error
}

// SeatLocker is the fast gate in front of the store. Its failure is never a reason to fail.
type SeatLocker interface {
	// Acquire locks all seats or none, and returns those that are locked with another token.
	Acquire(ctx context.Context, lock domain.SeatLock, ttl time.Duration) (taken []domain.TakenSeat, err error)
	// Release removes the locks that still carry their token.
	Release(ctx context.Context, locks ...domain.SeatLock) error
}

// Admissions is the waiting room's side of a booking.
type Admissions interface {
	// End ends the user's admission to the show, unless it began after the time booked.
	End(ctx context.Context, showID, userID int64, booked time.Time) error
}

// PaymentProvider takes money.
type PaymentProvider interface {
	// Charge takes the amount and gives the transaction. The same key is charged once, however
	// often it is asked for. It fails with domain.ErrPaymentDeclined when the payer's side refuses.
	Charge(ctx context.Context, charge Charge) (transactionID string, err error)
}

// Charge is one request for money.
type Charge struct {
	Key     string // idempotency key: one booking, one charge
	Amount  domain.Money
	Outcome PaymentOutcome
}

// PaymentOutcome asks the simulation for a result.
type PaymentOutcome string

// The outcomes that may be asked for.
const (
	OutcomeByChance PaymentOutcome = ""
	OutcomeSuccess  PaymentOutcome = "success"
	OutcomeDecline  PaymentOutcome = "decline"
)

// NewHold is what HoldSeats needs.
type NewHold struct {
	UserID    int64
	ShowID    int64
	SeatIDs   []int64       // ascending, without duplicates
	LockToken string        // of the Redis seat locks
	HoldFor   time.Duration // until expiry
	UserLimit int           // seats per user and show over live bookings; 0 is no limit
}

// PayableBooking is what a payment must know of a booking.
type PayableBooking struct {
	domain.Booking
	Overdue bool            // PENDING and past its time
	SeatIDs []int64         // ascending
	Paid    *domain.Payment // the payment that counts, if there is one
}

// SettledBooking is a booking after an attempt to confirm or to cancel it.
type SettledBooking struct {
	domain.Booking
	Overdue bool // PENDING and past its time
	Changed bool // this call brought it into its state
	Paid    bool
	Started bool // its show has started
	Seats   []domain.BookedSeat
	Refund  *domain.Payment // what this call gave back
	Lock    domain.SeatLock
}

// Confirmed reports whether the booking is confirmed, by this call or before.
func (b SettledBooking) Confirmed() bool { return b.Status == domain.BookingConfirmed }

// JustChanged reports whether this call brought the booking into its state.
func (b SettledBooking) JustChanged() bool { return b.Changed }

// BookingRules are the numbers that govern bookings.
type BookingRules struct {
	HoldFor            time.Duration // how long locked seats are held
	MaxSeatsPerBooking int
	MaxSeatsPerUser    int           // per show, over live bookings; 0 is no limit
	CleanupBatch       int           // holds ended in one transaction
	RecordTimeout      time.Duration // for work that must happen although the client has gone
}

// Bookings is the use cases of booking seats: lock, pay, confirm, cancel, expire.
type Bookings struct {
	store      BookingStore
	locks      SeatLocker
	admissions Admissions
	payments   PaymentProvider
	rules      BookingRules
	recorder   BookingRecorder
	log        *slog.Logger
	now        func() time.Time
	holds      *recent[int64, payableHold]

	mu         sync.Mutex
	unreleased []domain.SeatLock // to be tried again, maxUnreleased at most
}

// maxUnreleased bounds what is remembered of locks that could not be released. What is forgotten
// runs out by itself.
const maxUnreleased = 10_000

// BookingDeps are what the booking use cases work with.
type BookingDeps struct {
	Store      BookingStore
	Locks      SeatLocker
	Admissions Admissions
	Payments   PaymentProvider
	Rules      BookingRules
	Recorder   BookingRecorder
	Log        *slog.Logger
	Now        func() time.Time
}

// NewBookings gives the booking use cases.
func NewBookings(d BookingDeps) *Bookings {
	return &Bookings{
		store: d.Store, locks: d.Locks, admissions: d.Admissions, payments: d.Payments, rules: d.Rules, recorder: d.Recorder, log: d.Log,
		now: d.Now, holds: newRecent[int64, payableHold](holdGeneration),
	}
}

// HoldFor is how long locked seats are held.
func (b *Bookings) HoldFor() time.Duration { return b.rules.HoldFor }

// Confirm makes a paid hold a booking for good. Confirming it again gives the same answer. It
// fails with domain.ErrBookingNotFound, ErrPaymentRequired, ErrBookingNotPending or, with
// expired_seats, ErrHoldExpired; then what was paid is given back.
func (b *Bookings) Confirm(ctx context.Context, userID, bookingID int64, answer Answer[SettledBooking]) (SettledBooking, error) {
	b.holds.drop(bookingID)
	booking, err := recorded(ctx, b.store, answer, func(ctx context.Context) (SettledBooking, error) {
		return b.store.ConfirmBooking(ctx, userID, bookingID)
	})
	if err != nil {
		b.noteStore(err)
		return SettledBooking{}, err
	}
	switch {
	case booking.Confirmed():
		if booking.Changed {
			b.recorder.Hold(HoldConfirmed)
		}
		b.giveBack(ctx, booking)
		return booking, nil
	case expired(booking.Booking, booking.Overdue):
		return SettledBooking{}, b.expire(ctx, booking.Booking, booking.Overdue, seatIDs(booking.Seats))
	case booking.Status == domain.BookingCancelled:
		return SettledBooking{}, domain.ErrBookingNotPending
	default:
		return SettledBooking{}, domain.ErrPaymentRequired
	}
}

// Cancel gives the seats of a held or confirmed booking back, and the money that was paid. It
// fails with domain.ErrBookingNotFound, ErrBookingCancelled or ErrShowStarted.
func (b *Bookings) Cancel(ctx context.Context, userID, bookingID int64, answer Answer[SettledBooking]) (SettledBooking, error) {
	b.holds.drop(bookingID)
	booking, err := recorded(ctx, b.store, answer, func(ctx context.Context) (SettledBooking, error) {
		return b.store.CancelBooking(ctx, userID, bookingID)
	})
	if err != nil {
		b.noteStore(err)
		return SettledBooking{}, err
	}
	switch {
	case booking.Changed:
		b.recorder.Hold(HoldCancelled)
		if booking.Refund != nil {
			b.recorder.Refund()
		}
		b.giveBack(ctx, booking)
		return booking, nil
	case booking.Overdue:
		// Over is over, whether or not the cleanup has seen it yet.
		if err := b.tidy(ctx, bookingID); err != nil {
			return SettledBooking{}, err
		}
		return SettledBooking{}, domain.ErrBookingCancelled
	case booking.Status == domain.BookingCancelled:
		return SettledBooking{}, domain.ErrBookingCancelled
	default:
		return SettledBooking{}, domain.ErrShowStarted
	}
}

// ExpireDue ends holds whose time is over, batch by batch until none is left or ctx ends, and
// gives how many. Any number of instances may do it at once: each takes what no other has.
func (b *Bookings) ExpireDue(ctx context.Context) (int, error) {
	// The locks of one batch are released beside the work on the next one: the two stores need not wait for each other.
	var releasing sync.WaitGroup
	var panicked any // in there, and passed on here
	defer func() {
		if releasing.Wait(); panicked != nil {
			panic(panicked)
		}
	}()
	release := func(locks []domain.SeatLock) {
		defer func() { panicked = cmp.Or(panicked, recover()) }()
		b.released(ctx, locks)
	}
	total := 0
	for {
		locks, err := b.store.ExpireBookings(ctx, b.rules.CleanupBatch)
		if err != nil {
			return total, err
		}
		total += len(locks)
		releasing.Wait()
		releasing.Go(func() { release(locks) })
		if len(locks) < b.rules.CleanupBatch {
			return total, nil
		}
	}
}

// expired reports whether a booking's time ran out, be it tidied away or not.
func expired(booking domain.Booking, overdue bool) bool {
	return overdue || booking.CancelReason == domain.CancelledExpired
}

// expire gives the error of a hold whose time is over, after it has ended it if need be.
func (b *Bookings) expire(ctx context.Context, booking domain.Booking, overdue bool, seats []int64) error {
	if overdue {
		if err := b.tidy(ctx, booking.ID); err != nil {
			return err
		}
	}
	return domain.ErrHoldExpired.With("expired_seats", seats)
}

// tidy ends one hold whose time is over: its seats and its money go back at once.
func (b *Bookings) tidy(ctx context.Context, bookingID int64) error {
	locks, err := b.store.ExpireBooking(ctx, bookingID)
	if err != nil {
		return err
	}
	b.released(ctx, locks)
	return nil
}

// released follows the end of holds that had run out.
func (b *Bookings) released(ctx context.Context, locks []domain.SeatLock) {
	for _, lock := range locks {
		b.recorder.HoldReleased(lock.Overdue)
	}
	b.release(ctx, locks...)
}

// release frees Redis locks, also for a client that has gone. What cannot be released now is tried
// again by RetryReleases: until then the lock keeps a seat from being sold that can be had.
func (b *Bookings) release(ctx context.Context, locks ...domain.SeatLock) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.rules.RecordTimeout)
	defer cancel()
	if err := b.locks.Release(ctx, locks...); err != nil {
		b.log.DebugContext(ctx, "seat locks were not released yet", "locks", len(locks), "error", err)
		b.remember(locks)
	}
}

func (b *Bookings) remember(locks []domain.SeatLock) {
	b.mu.Lock()
	defer b.mu.Unlock()
	locks = locks[:min(len(locks), maxUnreleased-len(b.unreleased))]
	b.unreleased = append(b.unreleased, locks...)
}

// RetryReleases tries again to release what could not be released, and gives how many locks
// were. It fails while Redis does not answer, and keeps them.
func (b *Bookings) RetryReleases(ctx context.Context) (int, error) {
	b.mu.Lock()
	locks := b.unreleased
	b.unreleased = nil
	b.mu.Unlock()
	for start := 0; start < len(locks); start += b.rules.CleanupBatch {
		batch := locks[start:min(start+b.rules.CleanupBatch, len(locks))]
		if err := b.locks.Release(ctx, batch...); err != nil {
			b.remember(locks[start:])
			return start, err
		}
	}
	return len(locks), nil
}

// giveBack gives back what a booking that is settled has in Redis: its locks, and its user's slot in the
// waiting room, which goes to the next in line. A slot that cannot be given back runs out by itself.
func (b *Bookings) giveBack(ctx context.Context, booking SettledBooking) {
	shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.rules.RecordTimeout)
	defer cancel()
	if err := b.admissions.End(shared, booking.ShowID, booking.UserID, booking.CreatedAt); err != nil {
		b.log.DebugContext(ctx, "an admission stays until it runs out", "show_id", booking.ShowID, "error", err)
	}
	b.release(ctx, booking.Lock)
}

func seatIDs(seats []domain.BookedSeat) []int64 {
	ids := make([]int64, len(seats))
	for i, seat := range seats {
		ids[i] = seat.ID
	}
	return ids
}
