package service

import (
	"context"
	"time"

	"evently/internal/domain"
)

// BookingStore is what PostgreSQL does for bookings. Load methods lock what they return until the transaction ends.
// Methods without an error queue statements in it, and fail it with a later statement or at its commit.
type BookingStore interface {
	// InTx runs fn in one transaction, perhaps several times.
	InTx(ctx context.Context, fn func(ctx context.Context) error) error

	LoadHold(ctx context.Context, request domain.HoldRequest) (domain.HoldState, error)
	// LoadBooking returns a booking of the user with its payments; of those that failed only the one with
	// attemptKey. It fails with domain.ErrBookingNotFound.
	LoadBooking(ctx context.Context, userID, bookingID int64, attemptKey string) (BookingState, error)
	// LoadDueHolds returns up to limit expired holds that no other transaction has locked.
	LoadDueHolds(ctx context.Context, limit int) ([]domain.ExpiredHold, error)
	// BookingDetails returns a booking of the user as it is shown. It locks nothing, and fails with
	// domain.ErrBookingNotFound.
	BookingDetails(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error)
	// BookingShow returns the show of a booking, also if it is deleted. It locks nothing.
	BookingShow(ctx context.Context, showID int64) (domain.ShowDetails, error)
	// Save writes transitions. Those that end bookings are written first.
	Save(ctx context.Context, transitions ...domain.Transition)

	// BeginKey claims the key for this transaction. It queues statements, which fail the transaction with *Replay
	// for a key that has a response, domain.ErrIdempotencyInProgress while another request with the key is
	// running, domain.ErrIdempotencyKeyReused or domain.ErrTooManyKeys.
	BeginKey(ctx context.Context, key domain.RequestKey, keepFor time.Duration)
	StoreResponse(ctx context.Context, key domain.RequestKey, response Response)
	// ClaimKey keeps a key claimed for claimFor after the end of the transaction.
	ClaimKey(ctx context.Context, key domain.RequestKey, claimFor time.Duration)
	// ReleaseKey ends the claim of a key without a response.
	ReleaseKey(ctx context.Context, key domain.RequestKey)
	// StoredResponse returns the response that is stored for a key, or the zero Response. It fails with
	// domain.ErrIdempotencyInProgress or domain.ErrIdempotencyKeyReused.
	StoredResponse(ctx context.Context, key domain.RequestKey, keepFor time.Duration) (Response, error)
	// PurgeKeys deletes up to limit keys older than age and returns their number.
	PurgeKeys(ctx context.Context, age time.Duration, limit int) (int, error)

	// ClaimOpenPayments returns up to limit payments that have been in the state created for age, and hides them
	// from other callers for a while.
	ClaimOpenPayments(ctx context.Context, age time.Duration, limit int) ([]domain.DuePayment, error)
	// ClaimRefunds returns up to limit payments in the state refund_pending, likewise.
	ClaimRefunds(ctx context.Context, limit int) ([]domain.DuePayment, error)
}

// BookingState is a booking as a transition finds it.
type BookingState struct {
	Now       time.Time // the database's clock
	Booking   domain.Booking
	ShowStart time.Time
	Seats     []domain.BookedSeat // by row and number
	Payments  []domain.Payment    // newest first
}

// payment returns the payment that was taken for the booking last, nil if none was.
func (s BookingState) payment() *domain.Payment {
	for i := range s.Payments {
		if s.Payments[i].PaidAt != nil {
			return &s.Payments[i]
		}
	}
	return nil
}

func (s BookingState) paid() bool {
	payment := s.payment()
	return payment != nil && payment.Status == domain.PaymentSucceeded
}

// expired returns the result of a request for an expired hold, which it ends unless that was done before.
func (s BookingState) expired(refusal error) outcome {
	r := outcome{refusal: refusal}
	if s.Booking.Status == domain.BookingPending {
		r.keepRefusal = s.paid()
		r.changes = []domain.Transition{{
			Event: domain.EventExpired, Booking: s.Booking.Expire(), Seats: s.Seats,
			Paid: s.paid(), Overdue: s.Now.Sub(s.Booking.ExpiresAt),
		}}
	}
	return r
}

func (s BookingState) holdExpired() error {
	return domain.ErrHoldExpired.With("expired_seats", domain.SeatIDs(s.Seats))
}
