package service

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"

	"evently/internal/domain"
)

// PaymentProvider moves money.
type PaymentProvider interface {
	// Charge takes money, once for each attempt key. It fails only if the result is unknown; a declined charge is a result.
	Charge(ctx context.Context, charge domain.Charge) (domain.ChargeResult, error)
	// Refund gives the money of a charge back, once for each attempt key.
	Refund(ctx context.Context, attemptKey string) error
	Lookup(ctx context.Context, attemptKey string) (domain.ChargeResult, error)
}

// Payments takes and refunds money for bookings.
type Payments struct {
	bookings *Bookings
	provider PaymentProvider
}

// NewPayments returns the payment use cases.
func NewPayments(bookings *Bookings, provider PaymentProvider) *Payments {
	return &Payments{bookings: bookings, provider: provider}
}

// Pay is a user's request to pay for a hold.
type Pay struct {
	UserID    int64
	BookingID int64
	Amount    domain.Money
	Method    string // see domain.Charge
}

// Pay charges the user for a hold: an attempt is committed, then the provider is asked, then the result is
// committed. Both follow-ups go on when the client goes away; what a crash leaves open is settled by SettleOpen.
// Pay fails with domain.ErrOutcomeNotAllowed, ErrBookingNotFound, ErrBookingNotPending, ErrHoldExpired (expired_seats),
// ErrAmountMismatch (expected_amount), ErrPaymentDeclined, ErrPaymentUnavailable or the errors of idempotency
// keys.
func (p *Payments) Pay(ctx context.Context, pay Pay, request Request) (Response, error) {
	if pay.Method != "" && !p.bookings.rules.ChosenOutcomes {
		return Response{}, domain.ErrOutcomeNotAllowed
	}
	attempt, response, err := p.begin(ctx, pay, request)
	if err != nil || attempt.AttemptKey == "" {
		return response, err
	}
	ctx = context.WithoutCancel(ctx)
	charge, err := p.charge(ctx, domain.Charge{AttemptKey: attempt.AttemptKey, Amount: attempt.Amount, Method: pay.Method})
	if err != nil {
		// The attempt stays open: a repeat of the request or SettleOpen finds out.
		p.bookings.deps.Recorder.Payment(PaymentFailed)
		p.releaseKey(ctx, request.Key)
		return Response{}, domain.ErrPaymentUnavailable.WithCause(err)
	}
	ctx, cancel := p.bookings.afterCommit(ctx)
	defer cancel()
	request.claimed = true
	return p.bookings.transact(ctx, request, func(ctx context.Context) (outcome, error) {
		return p.settle(ctx, pay.UserID, attempt, charge)
	})
}

func (p *Payments) begin(ctx context.Context, pay Pay, request Request) (attempt domain.Payment, response Response, err error) {
	response, err = p.bookings.transact(ctx, request, func(ctx context.Context) (outcome, error) {
		attempt = domain.Payment{}
		state, err := p.bookings.deps.Store.LoadBooking(ctx, pay.UserID, pay.BookingID, "")
		if err != nil {
			return outcome{}, err
		}
		booking := state.Booking
		switch {
		case booking.Expired(state.Now):
			return state.expired(state.holdExpired()), nil
		case booking.Status == domain.BookingCancelled:
			return outcome{}, domain.ErrBookingNotPending
		case pay.Amount != booking.Amount:
			return outcome{}, domain.ErrAmountMismatch.With("expected_amount", json.Number(booking.Amount.String()))
		case state.paid():
			return outcome{booking: domain.BookingDetails{Booking: booking, Payment: state.payment()}}, nil
		case booking.Status != domain.BookingPending:
			return outcome{}, domain.ErrBookingNotPending
		}
		for _, open := range state.Payments {
			if open.Status == domain.PaymentCreated {
				attempt = open
				return outcome{goesOn: true, changes: []domain.Transition{{
					Event: domain.EventPaymentResumed, Booking: booking, Payment: &open,
				}}}, nil
			}
		}
		attempt = domain.Payment{
			BookingID: booking.ID, AttemptKey: "pay_" + rand.Text(), Amount: booking.Amount, Status: domain.PaymentCreated,
		}
		created := attempt
		return outcome{goesOn: true, changes: []domain.Transition{{
			Event: domain.EventPaymentCreated, Booking: booking, Payment: &created,
		}}}, nil
	})
	if err != nil || response.Replayed { // an attempt of a run that was rolled back is not on record
		attempt = domain.Payment{}
	}
	return attempt, response, err
}

func (p *Payments) charge(ctx context.Context, charge domain.Charge) (domain.ChargeResult, error) {
	ctx, cancel := context.WithTimeout(ctx, p.bookings.rules.ChargeTimeout)
	defer cancel()
	return p.provider.Charge(ctx, charge)
}

func (p *Payments) releaseKey(ctx context.Context, key domain.RequestKey) {
	if key.IsZero() {
		return
	}
	ctx, cancel := p.bookings.afterCommit(ctx)
	defer cancel()
	store := p.bookings.deps.Store
	err := store.InTx(ctx, func(ctx context.Context) error {
		store.ReleaseKey(ctx, key)
		return nil
	})
	if err != nil {
		p.bookings.deps.Log.WarnContext(ctx, "idempotency key stays claimed until its claim expires", "error", err.Error())
	}
}

func (p *Payments) settle(ctx context.Context, userID int64, attempt domain.Payment, charge domain.ChargeResult) (outcome, error) {
	state, err := p.bookings.deps.Store.LoadBooking(ctx, userID, attempt.BookingID, attempt.AttemptKey)
	if err != nil {
		return outcome{}, err
	}
	before, err := state.attempt(attempt.AttemptKey)
	if err != nil {
		return outcome{}, err
	}
	after := before
	switch {
	case charge.State == domain.ChargeSucceeded:
		after = before.Charged(charge.TransactionID, state.Booking, state.Now)
	case charge.State == domain.ChargeUnknown && state.Now.Sub(before.AttemptedAt) < giveUpAfter*p.bookings.rules.ChargeTimeout:
		return outcome{refusal: domain.ErrPaymentUnavailable}, nil // it may be under way
	default:
		after = before.Declined()
	}
	var done outcome
	switch {
	case after.Status == domain.PaymentFailed:
		done.refusal = domain.ErrPaymentDeclined.With("error", "Insufficient funds")
	case after.GivenBack():
		done = state.tooLate()
	default:
		done.booking = domain.BookingDetails{Booking: state.Booking, Payment: &after}
	}
	if after.Status != before.Status {
		done.changes = append(done.changes, domain.Transition{
			Event: domain.EventPaymentSettled, Booking: state.Booking, Payment: &after,
		})
	}
	return done, nil
}

// errNoAttempt is an attempt that is charged without a row, which no code can make.
var errNoAttempt = errors.New("the payment attempt is not on record")

func (s BookingState) attempt(key string) (domain.Payment, error) {
	for _, payment := range s.Payments {
		if payment.AttemptKey == key {
			return payment, nil
		}
	}
	return domain.Payment{}, domain.ErrInternal.WithCause(errNoAttempt)
}

func (s BookingState) tooLate() outcome {
	done := outcome{refusal: domain.ErrBookingNotPending}
	if s.Booking.Expired(s.Now) {
		done = s.expired(s.holdExpired())
	}
	done.keepRefusal = true
	return done
}
