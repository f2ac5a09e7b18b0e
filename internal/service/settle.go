package service

import (
	"context"
	"errors"

	"evently/internal/domain"
)

// Confirm confirms a paid hold. It fails with domain.ErrBookingNotFound, ErrPaymentRequired, ErrBookingNotPending,
// the errors of idempotency keys or ErrHoldExpired (expired_seats); then the money is to be refunded.
func (b *Bookings) Confirm(ctx context.Context, userID, bookingID int64, request Request) (Response, error) {
	return b.transact(ctx, request, func(ctx context.Context) (outcome, error) {
		state, err := b.deps.Store.LoadBooking(ctx, userID, bookingID, "")
		if err != nil {
			return outcome{}, err
		}
		confirmed, err := state.Booking.Confirm(state.Now, state.paid())
		if errors.Is(err, domain.ErrHoldExpired) {
			return state.expired(state.holdExpired()), nil
		}
		if err != nil {
			return outcome{}, err
		}
		done := outcome{booking: state.details(confirmed)}
		if confirmed.Status != state.Booking.Status {
			done.changes = []domain.Transition{{
				Event: domain.EventConfirmed, Booking: confirmed, Seats: state.Seats, Paid: state.paid(),
			}}
		}
		return done, nil
	})
}

// Cancel cancels a live booking: its seats are free, and its money is to be refunded. It fails with
// domain.ErrBookingNotFound, ErrBookingCancelled, ErrShowStarted or the errors of idempotency keys.
func (b *Bookings) Cancel(ctx context.Context, userID, bookingID int64, request Request) (Response, error) {
	return b.transact(ctx, request, func(ctx context.Context) (outcome, error) {
		state, err := b.deps.Store.LoadBooking(ctx, userID, bookingID, "")
		if err != nil {
			return outcome{}, err
		}
		if state.Booking.Expired(state.Now) {
			return state.expired(domain.ErrBookingCancelled), nil
		}
		cancelled, err := state.Booking.Cancel(state.Now, state.ShowStart)
		if err != nil {
			return outcome{}, err
		}
		details := state.details(cancelled)
		if state.paid() {
			refunded := state.payment().RefundRequested(state.Now)
			details.Payment = &refunded
		}
		return outcome{booking: details, changes: []domain.Transition{{
			Event: domain.EventCancelled, Booking: cancelled, Seats: state.Seats, Paid: state.paid(),
		}}}, nil
	})
}
