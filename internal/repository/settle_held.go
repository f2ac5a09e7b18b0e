package repository

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
	"evently/internal/service"
)

// What nearly every payment and every confirmation finds is a hold that is alive. Each of these is one
// statement that does its work then, and nothing otherwise: who gets nothing looks again, with the
// statements that tell why.
//
// The booking is locked and, when somebody has changed it since the statement began, looked at
// again as it is now. The payments are seen as they were when it began: one that was recorded
// since then is overlooked here and found by the second look.
const (
	payHeldBooking = `
		WITH booking AS MATERIALIZED (
			SELECT booking_id, user_id, show_id, status, amount, created_at, expires_at
			FROM bookings
			WHERE booking_id = $1 AND user_id = $2
			  AND CASE status WHEN 'PENDING' THEN expires_at > now() ELSE false END
			FOR UPDATE
		), paid AS (
			INSERT INTO payments (booking_id, transaction_id, amount, status)
			SELECT booking_id, $3, amount, 'succeeded'
			FROM booking
			ON CONFLICT DO NOTHING
			RETURNING amount
		)
		SELECT booking.user_id, booking.show_id, booking.status, booking.amount, booking.created_at, booking.expires_at,
		       paid.amount
		FROM booking, paid`

	// Arrays instead of joins, and CASE, leave the planner one way: by the keys.
	confirmPaidBooking = `
		WITH booking AS MATERIALIZED (
			SELECT booking_id, show_id, amount, lock_token, created_at, expires_at
			FROM bookings
			WHERE booking_id = $1 AND user_id = $2
			  AND CASE status WHEN 'PENDING' THEN expires_at > now() ELSE false END
			  AND EXISTS (SELECT FROM payments WHERE payments.booking_id = $1 AND payments.status = 'succeeded')
			FOR UPDATE
		), held AS MATERIALIZED (
			SELECT seat_id
			FROM show_seats
			WHERE show_id = (SELECT show_id FROM booking)
			  AND seat_id = ANY (ARRAY(SELECT seat_id FROM booking_seats WHERE booking_id = (SELECT booking_id FROM booking)))
			  AND booking_id = $1
			ORDER BY seat_id
			FOR UPDATE
		), booked AS (
			UPDATE show_seats
			SET status = 'BOOKED'
			WHERE show_id = (SELECT show_id FROM booking) AND seat_id = ANY (ARRAY(SELECT seat_id FROM held))
		), changed AS (
			UPDATE bookings
			SET status = 'CONFIRMED', confirmed_at = now()
			WHERE booking_id = (SELECT booking_id FROM booking)
		)
		SELECT booking.show_id, booking.amount, booking.lock_token, booking.created_at, booking.expires_at,
		       seats.seat_id, seats.venue_id, seats.seat_row, seats.seat_number, booking_seats.price
		FROM booking
		JOIN booking_seats USING (booking_id)
		JOIN seats USING (seat_id)`
)

// payHeld records a charge for a hold that is alive and not paid, or gives a booking without a payment.
func (s *Store) payHeld(ctx context.Context, userID, bookingID int64, transactionID string) (service.PayableBooking, error) {
	var booking service.PayableBooking
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		var amount, paid numeric
		b := service.PayableBooking{Booking: domain.Booking{ID: bookingID}}
		err := q.QueryRow(ctx, payHeldBooking, bookingID, userID, transactionID).
			Scan(&b.UserID, &b.ShowID, &b.Status, &amount, &b.CreatedAt, &b.ExpiresAt, &paid)
		if errors.Is(err, pgx.ErrNoRows) {
			booking = service.PayableBooking{}
			return nil
		}
		b.Amount = domain.Money(amount)
		b.Paid = &domain.Payment{TransactionID: transactionID, Amount: domain.Money(paid)}
		booking = b
		return err
	})
	return booking, err
}

// confirmPaid confirms a hold that is alive and paid, or gives a booking that has not changed.
func (s *Store) confirmPaid(ctx context.Context, userID, bookingID int64) (service.SettledBooking, error) {
	var booking service.SettledBooking
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, confirmPaidBooking, bookingID, userID)
		if err != nil {
			return err
		}
		booking, err = scanConfirmed(rows, userID, bookingID)
		return err
	})
	return booking, err
}

// scanConfirmed reads a booking that was just confirmed from the rows of its seats.
func scanConfirmed(rows pgx.Rows, userID, bookingID int64) (service.SettledBooking, error) {
	defer rows.Close()
	var (
		b                  service.SettledBooking
		showID             int64
		amount             numeric
		createdAt, expires time.Time
	)
	for rows.Next() {
		var (
			seat  domain.Seat
			price numeric
		)
		err := rows.Scan(&showID, &amount, &b.Lock.Token, &createdAt, &expires,
			&seat.ID, &seat.VenueID, &seat.Row, &seat.Number, &price)
		if err != nil {
			return service.SettledBooking{}, err
		}
		b.Seats = append(b.Seats, domain.BookedSeat{Seat: seat, Price: domain.Money(price)})
		b.Lock.SeatIDs = append(b.Lock.SeatIDs, seat.ID)
	}
	if err := rows.Err(); err != nil || len(b.Seats) == 0 {
		return service.SettledBooking{}, err
	}
	b.Booking = domain.Booking{
		ID: bookingID, UserID: userID, ShowID: showID,
		Status: domain.BookingConfirmed, Amount: domain.Money(amount), CreatedAt: createdAt, ExpiresAt: expires,
	}
	b.Paid, b.Changed, b.Lock.ShowID = true, true, showID
	sortSeats(b.Seats)
	return b, nil
}
