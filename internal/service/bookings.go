package service

import (
	"context"
	"log/slog"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"evently/internal/domain"
)

// SeatLocker is the fast gate in front of the store. A failure of it never fails a booking.
type SeatLocker interface {
	// Acquire locks all seats or none, and returns the seats that are locked with another token.
	Acquire(ctx context.Context, lock domain.SeatLock, ttl time.Duration) (taken []domain.TakenSeat, err error)
	// Extend sets the time to live of the locks that carry their token.
	Extend(ctx context.Context, lock domain.SeatLock, ttl time.Duration) error
	// Release removes the locks that carry their token.
	Release(ctx context.Context, locks ...domain.SeatLock) error
}

// Admissions is the waiting room's side of a booking.
type Admissions interface {
	// End ends the user's admission to the show, unless it began after the time booked.
	End(ctx context.Context, showID, userID int64, booked time.Time) error
}

// SeatFeed receives the seats that a committed transition changed. Changed returns at once.
type SeatFeed interface {
	Changed(change domain.SeatChange)
}

// RefundWaker asks for a run of Payments.Refund soon.
type RefundWaker interface {
	WakeRefunds(ctx context.Context) error
}

// BookingRules are the numbers that govern bookings.
type BookingRules struct {
	HoldFor            time.Duration // how long seats are held
	FirstLockTTL       time.Duration // of the Redis locks, until the hold is committed
	MaxSeatsPerBooking int
	MaxSeatsPerUser    int           // per show, over live bookings; 0 is no limit
	MaxHoldsPerUser    int           // live and unpaid, over all shows; 0 is no limit
	HoldCooldown       time.Duration // before a user may have a seat again that they let go unpaid
	CleanupBatch       int           // holds ended in one transaction
	RecordTimeout      time.Duration // for work that must happen although the client has gone
	KeepResponses      time.Duration // how long a response with an idempotency key is stored
	ShowMaxAge         time.Duration // of the show in a booking's response; 0 reads it every time
	ChargeTimeout      time.Duration // of one request to the payment provider
	ChosenOutcomes     bool          // a request may say how its simulated payment ends
}

// Bookings locks seats and confirms, cancels and expires bookings.
type Bookings struct {
	deps  BookingDeps
	rules BookingRules
	shows *lru.Cache[int64, cachedShow]

	mu         sync.Mutex
	unreleased []domain.SeatLock // to be released again, maxUnreleased at most
}

// BookingDeps are what Bookings works with. All are required.
type BookingDeps struct {
	Store      BookingStore
	Locks      SeatLocker
	Admissions Admissions
	Feed       SeatFeed
	Refunds    RefundWaker
	Rules      BookingRules
	Recorder   BookingRecorder
	Log        *slog.Logger
	Now        func() time.Time
}

const maxShows = 1000

// NewBookings returns the booking use cases.
func NewBookings(deps BookingDeps) (*Bookings, error) {
	shows, err := lru.New[int64, cachedShow](maxShows)
	return &Bookings{deps: deps, rules: deps.Rules, shows: shows}, err
}

type cachedShow struct {
	show   domain.ShowDetails
	readAt time.Time
}

func (b *Bookings) show(ctx context.Context, showID int64) (domain.ShowDetails, error) {
	now := b.deps.Now()
	if cached, ok := b.shows.Get(showID); ok && now.Sub(cached.readAt) < b.rules.ShowMaxAge {
		return cached.show, nil
	}
	show, err := b.deps.Store.BookingShow(ctx, showID)
	if err == nil {
		b.shows.Add(showID, cachedShow{show, now})
	}
	return show, err
}

func (s BookingState) details(booking domain.Booking) domain.BookingDetails {
	details := domain.BookingDetails{Booking: booking, Seats: s.Seats, Payment: s.payment()}
	if booking.Status == domain.BookingPending {
		details.HoldLeft = booking.ExpiresAt.Sub(s.Now)
	}
	return details
}
