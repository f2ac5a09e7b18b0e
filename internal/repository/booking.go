package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
	"evently/internal/service"
)

// LoadBooking locks and reads in one round trip: user, show, booking; what depends on the booking is read after
// that.
const (
	lockUserAndShowOfBooking = `
		SELECT pg_advisory_xact_lock(` + userKey + `), pg_advisory_xact_lock_shared(` + showKey + `)
		FROM bookings
		WHERE booking_id = $1 AND user_id = $2`

	// The time is that after the locks were waited for: another request of the user may have counted this
	// hold as expired.
	lockBooking = `
		SELECT booking_id, user_id, show_id, status, coalesce(cancel_reason, ''), amount, lock_token,
		       created_at, expires_at, clock_timestamp(),
		       (SELECT start_time FROM shows WHERE shows.show_id = bookings.show_id)
		FROM bookings
		WHERE booking_id = $1 AND user_id = $2
		FOR UPDATE`

	seatsOfBooking = `
		SELECT ` + seatColumns + `, booking_seats.price
		FROM booking_seats
		JOIN seats ON seats.seat_id = booking_seats.seat_id
		WHERE booking_seats.booking_id = $1`

	// SKIP LOCKED leaves to other instances, and to users, what they are working on.
	lockDueHolds = `
		SELECT ` + expiredColumns + `
		FROM bookings
		WHERE status = 'PENDING' AND expires_at <= now()
		ORDER BY expires_at, booking_id
		LIMIT $1
		FOR UPDATE SKIP LOCKED`
)

func (s *Store) LoadBooking(ctx context.Context, userID, bookingID int64, attemptKey string) (service.BookingState, error) {
	var state service.BookingState
	batch := &pgx.Batch{}
	batch.Queue(lockUserAndShowOfBooking, bookingID, userID)
	batch.Queue(lockBooking, bookingID, userID).QueryRow(func(row pgx.Row) error {
		b := &state.Booking
		err := row.Scan(&b.ID, &b.UserID, &b.ShowID, &b.Status, &b.CancelReason, (*numeric)(&b.Amount), &b.LockToken,
			&b.CreatedAt, &b.ExpiresAt, &state.Now, &state.ShowStart)
		return notFound(err, domain.ErrBookingNotFound)
	})
	collect(batch, &state.Payments, scanPayment, paymentsOfBooking, bookingID, attemptKey)
	collect(batch, &state.Seats, scanBookedSeat, seatsOfBooking, bookingID)
	if err := s.send(ctx, batch); err != nil {
		return service.BookingState{}, err
	}
	domain.SortSeats(state.Seats)
	return state, nil
}

func scanBookedSeat(row pgx.CollectableRow) (domain.BookedSeat, error) {
	var seat domain.BookedSeat
	err := row.Scan(append(seatTargets(&seat.Seat), (*numeric)(&seat.Price))...)
	return seat, err
}

func (s *Store) LoadDueHolds(ctx context.Context, limit int) ([]domain.ExpiredHold, error) {
	var due []domain.ExpiredHold
	batch := &pgx.Batch{}
	collect(batch, &due, scanExpiredHold, lockDueHolds, limit)
	err := s.send(ctx, batch)
	return due, err
}

// Each of these writes one transition. Seats are changed in ascending order, as everywhere.
const (
	insertHold = `
		WITH hold AS (
			INSERT INTO bookings (booking_id, user_id, show_id, seat_count, amount, lock_token, created_at, expires_at)
			OVERRIDING SYSTEM VALUE
			VALUES ($1, $2, $3, cardinality($7::bigint[]), $4, $5, now(), $6)
		), seats AS (
			INSERT INTO booking_seats (booking_id, seat_id, price)
			SELECT $1, seat_id, price
			FROM unnest($7::bigint[], $8::text[]::numeric[]) AS seats (seat_id, price)
		)
		UPDATE show_seats
		SET status = 'LOCKED', booking_id = $1, locked_at = now()
		WHERE show_id = $3 AND seat_id = ANY ($7::bigint[])`

	confirmBooking = `
		WITH confirmed AS (
			UPDATE bookings
			SET status = 'CONFIRMED', confirmed_at = now()
			WHERE booking_id = $1
		), held AS MATERIALIZED (
			SELECT seat_id
			FROM show_seats
			WHERE show_id = $2 AND seat_id = ANY ($3::bigint[]) AND booking_id = $1
			ORDER BY seat_id
			FOR UPDATE
		)
		UPDATE show_seats
		SET status = 'BOOKED'
		FROM held
		WHERE show_seats.show_id = $2 AND show_seats.seat_id = held.seat_id`

	// The one statement that ends bookings: their seats are free and their money is to be refunded.
	endBookings = `
		WITH held AS MATERIALIZED (
			SELECT show_seats.show_id, show_seats.seat_id
			FROM bookings
			JOIN booking_seats ON booking_seats.booking_id = bookings.booking_id
			JOIN show_seats ON show_seats.show_id = bookings.show_id AND show_seats.seat_id = booking_seats.seat_id
			WHERE bookings.booking_id = ANY ($1::bigint[]) AND show_seats.booking_id = bookings.booking_id
			ORDER BY show_seats.show_id, show_seats.seat_id
			FOR UPDATE OF show_seats
		), freed AS (
			UPDATE show_seats
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM held
			WHERE show_seats.show_id = held.show_id AND show_seats.seat_id = held.seat_id
		), refunds AS (
			UPDATE payments
			SET status = 'refund_pending', refund_requested_at = now(), next_check_at = now()
			WHERE booking_id = ANY ($1::bigint[]) AND status = 'succeeded'
		)
		UPDATE bookings
		SET status = 'CANCELLED', cancel_reason = ended.reason, cancelled_at = now()
		FROM unnest($1::bigint[], $2::text[]) AS ended (booking_id, reason)
		WHERE bookings.booking_id = ended.booking_id`
)

// Save is where every transition of a booking or a payment is written.
func (s *Store) Save(ctx context.Context, transitions ...domain.Transition) {
	var ended []int64
	var reasons []string
	for _, t := range transitions {
		if t.Ends() {
			ended, reasons = append(ended, t.Booking.ID), append(reasons, string(t.Booking.CancelReason))
		}
	}
	if len(ended) > 0 {
		enqueue(ctx, endBookings, ended, reasons)
	}
	for _, t := range transitions {
		switch t.Event {
		case domain.EventHeld:
			enqueueHold(ctx, t.Booking, t.Seats)
		case domain.EventConfirmed:
			enqueue(ctx, confirmBooking, t.Booking.ID, t.Booking.ShowID, domain.SeatIDs(t.Seats))
		case domain.EventPaymentResumed:
			enqueue(ctx, resumePayment, t.Payment.AttemptKey)
		case domain.EventPaymentCreated:
			enqueue(ctx, insertPayment, t.Payment.BookingID, t.Payment.AttemptKey, numeric(t.Payment.Amount))
		case domain.EventPaymentSettled, domain.EventPaymentRefunded:
			p := t.Payment
			enqueue(ctx, updatePayment, p.AttemptKey, p.Status, p.TransactionID, p.PaidAt, p.RefundRequestedAt)
		case domain.EventCancelled, domain.EventExpired: // ended above
		}
	}
}

func enqueueHold(ctx context.Context, b domain.Booking, seats []domain.BookedSeat) {
	prices := make([]string, len(seats))
	for i, seat := range seats {
		prices[i] = seat.Price.String()
	}
	enqueue(ctx, insertHold, b.ID, b.UserID, b.ShowID, numeric(b.Amount), b.LockToken, b.ExpiresAt,
		domain.SeatIDs(seats), prices)
}

const bookingShow = showDetails + `
	WHERE shows.show_id = $1`

func (s *Store) BookingShow(ctx context.Context, showID int64) (domain.ShowDetails, error) {
	var show domain.ShowDetails
	batch := &pgx.Batch{}
	batch.Queue(bookingShow, showID).QueryRow(func(row pgx.Row) error {
		return notFound(row.Scan(showDetailsTargets(&show)...), domain.ErrShowNotFound)
	})
	err := s.send(ctx, batch)
	return show, err
}
