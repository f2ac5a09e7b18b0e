package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"evently/internal/domain"
)

// Pay charges the user for a hold. Paying again what is paid gives the same transaction. It
// fails with domain.ErrBookingNotFound, ErrBookingNotPending, ErrHoldExpired (expired_seats),
// ErrAmountMismatch (expected_amount) or ErrPaymentDeclined. No database connection is held while the provider
// works; a charge that comes too late is refunded.
func (b *Bookings) Pay(ctx context.Context, userID, bookingID int64, amount domain.Money, outcome PaymentOutcome, answer Answer[domain.Payment]) (domain.Payment, error) {
	booking, known := b.recentHold(userID, bookingID, amount)
	if !known {
		var err error
		if booking, err = b.store.BookingForPayment(ctx, userID, bookingID); err != nil {
			return domain.Payment{}, err
		}
		if err := b.payable(ctx, booking); err != nil {
			return domain.Payment{}, err
		}
		if amount != booking.Amount {
			return domain.Payment{}, domain.ErrAmountMismatch.With("expected_amount", json.Number(booking.Amount.String()))
		}
		if booking.Paid != nil {
			return *booking.Paid, nil
		}
	}

	transactionID, err := b.payments.Charge(ctx, Charge{
		Key:     fmt.Sprintf("booking-%d-%d", booking.ID, booking.CreatedAt.UnixMicro()),
		Amount:  booking.Amount,
		Outcome: outcome,
	})
	if err != nil {
		if result, counts := chargeResult(err); counts {
			b.recorder.Payment(result)
		}
		return b.declined(ctx, userID, bookingID, known, err)
	}
	b.holds.drop(bookingID)
	// The money has moved: that is recorded even if the client has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.rules.RecordTimeout)
	defer cancel()
	booking, err = recorded(ctx, b.store, ofPayment(answer), func(ctx context.Context) (PayableBooking, error) {
		return b.store.RecordPayment(ctx, userID, bookingID, transactionID)
	})
	if errors.Is(err, domain.ErrIdempotencyInProgress) {
		// The claim passed to a repeat meanwhile, and what is told is the repeat's. The money has
		// moved all the same: without its record nobody would give it back.
		if _, recordErr := b.store.RecordPayment(ctx, userID, bookingID, transactionID); recordErr != nil {
			return domain.Payment{}, recordErr
		}
	}
	switch {
	case err != nil:
		b.noteStore(err)
		b.recorder.Payment(PaymentFailed)
		return domain.Payment{}, err
	case booking.Paid == nil:
		b.recorder.Payment(PaymentLate)
	default:
		b.recorder.Payment(PaymentSucceeded)
	}
	if err := b.payable(ctx, booking); err != nil {
		return domain.Payment{}, err
	}
	return *booking.Paid, nil
}

// declined gives the answer to a charge that was not made. What was only remembered of the booking is
// looked at now: another instance may have been paid for it, or have ended it.
func (b *Bookings) declined(ctx context.Context, userID, bookingID int64, remembered bool, cause error) (domain.Payment, error) {
	if !remembered || !errors.Is(cause, domain.ErrPaymentDeclined) {
		return domain.Payment{}, cause
	}
	booking, err := b.store.BookingForPayment(ctx, userID, bookingID)
	if err != nil {
		return domain.Payment{}, err
	}
	if err := b.payable(ctx, booking); err != nil {
		return domain.Payment{}, err
	}
	if booking.Paid != nil {
		return *booking.Paid, nil
	}
	return domain.Payment{}, cause
}

// ofPayment answers a recorded charge if it counts.
func ofPayment(answer Answer[domain.Payment]) Answer[PayableBooking] {
	return func(booking PayableBooking) (domain.StoredAnswer, bool) {
		if booking.Paid == nil {
			return domain.StoredAnswer{}, false
		}
		return answer(*booking.Paid)
	}
}

// payable gives the error of a booking that takes no payment. A confirmed one was paid and
// answers with its payment.
func (b *Bookings) payable(ctx context.Context, booking PayableBooking) error {
	switch {
	case expired(booking.Booking, booking.Overdue):
		return b.expire(ctx, booking.Booking, booking.Overdue, booking.SeatIDs)
	case booking.Status == domain.BookingCancelled:
		return domain.ErrBookingNotPending
	default:
		return nil
	}
}

// SimulatedPayments stands in for a payment provider: it takes its time and succeeds with a
// given probability. A charge's transaction follows from its key, so that the same charge made
// twice is one.
type SimulatedPayments struct {
	delay       time.Duration
	successRate float64
	chance      func() float64
}

// NewSimulatedPayments gives a simulation that takes delay and then succeeds with the
// probability successRate, from 0 to 1.
func NewSimulatedPayments(delay time.Duration, successRate float64) *SimulatedPayments {
	return &SimulatedPayments{delay: delay, successRate: successRate, chance: rand.Float64}
}

// Charge implements PaymentProvider. An outcome that is asked for comes at once.
func (s *SimulatedPayments) Charge(ctx context.Context, charge Charge) (string, error) {
	outcome := charge.Outcome
	if outcome == OutcomeByChance {
		timer := time.NewTimer(s.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		outcome = OutcomeDecline
		if s.chance() < s.successRate {
			outcome = OutcomeSuccess
		}
	}
	if outcome == OutcomeDecline {
		return "", domain.ErrPaymentDeclined.With("error", "Insufficient funds")
	}
	sum := sha256.Sum256([]byte(charge.Key))
	return "txn_" + hex.EncodeToString(sum[:12]), nil
}
