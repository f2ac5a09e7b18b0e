package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
	"evently/internal/service"
)

// Cancel, and what confirms or pays only perhaps, are one round trip each: the first statement locks
// the booking row, the second, whose snapshot is taken after that, decides and does. Seats come after
// the booking and in ascending order, as everywhere.
const (
	lockBooking = `
		SELECT booking_id
		FROM bookings
		WHERE booking_id = $1 AND user_id = $2
		FOR UPDATE`

	// Shared head of the statements that settle a booking.
	settleHead = `
		WITH booking AS MATERIALIZED (
			SELECT booking_id, user_id, show_id, status, cancel_reason, amount, lock_token, created_at, expires_at,
			       status = 'PENDING' AND expires_at <= now() AS overdue,
			       EXISTS (
			         SELECT FROM payments
			         WHERE payments.booking_id = bookings.booking_id AND payments.status = 'succeeded'
			       ) AS paid,
			       (SELECT start_time <= now() FROM shows WHERE shows.show_id = bookings.show_id) AS started
			FROM bookings
			WHERE booking_id = $1 AND user_id = $2
		), held AS MATERIALIZED (
			SELECT show_seats.show_id, show_seats.seat_id
			FROM booking
			JOIN booking_seats USING (booking_id)
			JOIN show_seats ON show_seats.show_id = booking.show_id AND show_seats.seat_id = booking_seats.seat_id
			WHERE show_seats.booking_id = booking.booking_id
			ORDER BY show_seats.seat_id
			FOR UPDATE OF show_seats
		), `

	// Shared tail: the booking as it is now, and its seats by row and number.
	settleTail = `
		SELECT booking.show_id,
		       coalesce(changed.status, booking.status),
		       coalesce(changed.cancel_reason, booking.cancel_reason, ''),
		       booking.amount, booking.created_at, booking.expires_at, booking.lock_token,
		       booking.overdue, booking.paid, booking.started,
		       changed.booking_id IS NOT NULL,
		       refunded.transaction_id, refunded.amount,
		       seat_ids, venue_ids, seat_rows, seat_numbers, prices
		FROM booking
		LEFT JOIN changed ON true
		LEFT JOIN refunded ON true
		CROSS JOIN (
			SELECT array_agg(seat_id ORDER BY place) AS seat_ids,
			       array_agg(venue_id ORDER BY place) AS venue_ids,
			       array_agg(seat_row ORDER BY place) AS seat_rows,
			       array_agg(seat_number ORDER BY place) AS seat_numbers,
			       array_agg(price ORDER BY place) AS prices
			FROM (
				SELECT seat_id, seats.venue_id, seat_row, seat_number, booking_seats.price,
				       row_number() OVER (ORDER BY length(seat_row), seat_row COLLATE "C", seat_number) AS place
				FROM booking
				JOIN booking_seats USING (booking_id)
				JOIN seats USING (seat_id)
			) AS placed
		) AS seats`

	confirmBooking = settleHead + `changed AS (
			UPDATE bookings
			SET status = 'CONFIRMED', confirmed_at = now()
			FROM booking
			WHERE bookings.booking_id = booking.booking_id
			  AND booking.status = 'PENDING' AND NOT booking.overdue AND booking.paid
			RETURNING bookings.booking_id, bookings.status, bookings.cancel_reason
		), booked AS (
			UPDATE show_seats
			SET status = 'BOOKED'
			FROM changed, held
			WHERE show_seats.show_id = held.show_id AND show_seats.seat_id = held.seat_id
		), refunded AS (
			SELECT NULL::text AS transaction_id, NULL::numeric AS amount
		)` + settleTail

	cancelBooking = settleHead + `changed AS (
			UPDATE bookings
			SET status = 'CANCELLED', cancel_reason = 'user', cancelled_at = now()
			FROM booking
			WHERE bookings.booking_id = booking.booking_id
			  AND booking.status <> 'CANCELLED' AND NOT booking.overdue AND NOT booking.started
			RETURNING bookings.booking_id, bookings.status, bookings.cancel_reason
		), freed AS (
			UPDATE show_seats
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM changed, held
			WHERE show_seats.show_id = held.show_id AND show_seats.seat_id = held.seat_id
		), refunded AS (
			UPDATE payments
			SET status = 'refunded', refunded_at = now()
			FROM changed
			WHERE payments.booking_id = changed.booking_id AND payments.status = 'succeeded'
			RETURNING payments.transaction_id, payments.amount
		)` + settleTail
)

// ConfirmBooking implements service.BookingStore.
func (s *Store) ConfirmBooking(ctx context.Context, userID, bookingID int64) (service.SettledBooking, error) {
	booking, err := s.confirmPaid(ctx, userID, bookingID)
	if err != nil || booking.Changed {
		return booking, err
	}
	return s.settle(ctx, confirmBooking, userID, bookingID)
}

// CancelBooking implements service.BookingStore.
func (s *Store) CancelBooking(ctx context.Context, userID, bookingID int64) (service.SettledBooking, error) {
	return s.settle(ctx, cancelBooking, userID, bookingID)
}

func (s *Store) settle(ctx context.Context, statement string, userID, bookingID int64) (service.SettledBooking, error) {
	var booking service.SettledBooking
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		batch := &pgx.Batch{}
		batch.Queue(lockBooking, bookingID, userID)
		batch.Queue(statement, bookingID, userID).QueryRow(func(row pgx.Row) error {
			var err error
			booking, err = scanSettled(row, userID, bookingID)
			return notFound(err, domain.ErrBookingNotFound)
		})
		return q.SendBatch(ctx, batch).Close()
	})
	return booking, err
}

func scanSettled(row pgx.Row, userID, bookingID int64) (service.SettledBooking, error) {
	var (
		b           = service.SettledBooking{Booking: domain.Booking{ID: bookingID, UserID: userID}}
		amount      numeric
		transaction *string
		refund      *numeric
		seatIDs     []int64
		venueIDs    []int64
		rows        []string
		numbers     []int32
		prices      []numeric
	)
	err := row.Scan(&b.ShowID, &b.Status, &b.CancelReason, &amount, &b.CreatedAt, &b.ExpiresAt, &b.Lock.Token,
		&b.Overdue, &b.Paid, &b.Started, &b.Changed, &transaction, &refund,
		&seatIDs, &venueIDs, &rows, &numbers, &prices)
	if err != nil {
		return service.SettledBooking{}, err
	}
	b.Amount = domain.Money(amount)
	b.Lock.ShowID, b.Lock.SeatIDs = b.ShowID, seatIDs
	if transaction != nil {
		b.Refund = &domain.Payment{TransactionID: *transaction, Amount: domain.Money(*refund), Refunded: true}
	}
	b.Seats = make([]domain.BookedSeat, len(seatIDs))
	for i, id := range seatIDs {
		b.Seats[i] = domain.BookedSeat{
			Seat:  domain.Seat{ID: id, VenueID: venueIDs[i], Row: rows[i], Number: numbers[i]},
			Price: domain.Money(prices[i]),
		}
	}
	return b, nil
}

const (
	// What a payment must know of its booking.
	payableBooking = `
		SELECT bookings.booking_id, bookings.user_id, bookings.show_id, bookings.status,
		       coalesce(bookings.cancel_reason, ''), bookings.amount, bookings.created_at, bookings.expires_at,
		       bookings.status = 'PENDING' AND bookings.expires_at <= now(),
		       ARRAY(SELECT seat_id FROM booking_seats WHERE booking_seats.booking_id = bookings.booking_id ORDER BY seat_id),
		       payments.transaction_id, payments.amount
		FROM bookings
		LEFT JOIN payments ON payments.booking_id = bookings.booking_id AND payments.status = 'succeeded'
		WHERE bookings.booking_id = $1 AND bookings.user_id = $2`

	// A charge that the booking can no longer use is a refund from the start. The same charge
	// recorded twice is one row.
	recordPayment = `
		INSERT INTO payments (booking_id, transaction_id, amount, status, refunded_at)
		SELECT booking_id, $3, amount,
		       CASE WHEN alive THEN 'succeeded' ELSE 'refunded' END,
		       CASE WHEN alive THEN NULL ELSE now() END
		FROM (
			SELECT booking_id, amount, status = 'PENDING' AND expires_at > now() AS alive
			FROM bookings
			WHERE booking_id = $1 AND user_id = $2
		) AS booking
		WHERE NOT EXISTS (
			SELECT FROM payments WHERE payments.booking_id = booking.booking_id AND status = 'succeeded'
		)
		ON CONFLICT (transaction_id) DO NOTHING`
)

// BookingForPayment implements service.BookingStore.
func (s *Store) BookingForPayment(ctx context.Context, userID, bookingID int64) (service.PayableBooking, error) {
	var booking service.PayableBooking
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		var err error
		booking, err = scanPayable(q.QueryRow(ctx, payableBooking, bookingID, userID))
		return err
	})
	return booking, err
}

// RecordPayment implements service.BookingStore.
func (s *Store) RecordPayment(ctx context.Context, userID, bookingID int64, transactionID string) (service.PayableBooking, error) {
	booking, err := s.payHeld(ctx, userID, bookingID, transactionID)
	if err != nil || booking.Paid != nil {
		return booking, err
	}
	return s.payAny(ctx, userID, bookingID, transactionID)
}

// payAny records a charge whatever has become of its booking.
func (s *Store) payAny(ctx context.Context, userID, bookingID int64, transactionID string) (service.PayableBooking, error) {
	var booking service.PayableBooking
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		batch := &pgx.Batch{}
		batch.Queue(lockBooking, bookingID, userID)
		batch.Queue(recordPayment, bookingID, userID, transactionID)
		batch.Queue(payableBooking, bookingID, userID).QueryRow(func(row pgx.Row) error {
			var err error
			booking, err = scanPayable(row)
			return err
		})
		return q.SendBatch(ctx, batch).Close()
	})
	return booking, err
}

func scanPayable(row pgx.Row) (service.PayableBooking, error) {
	var (
		b           service.PayableBooking
		amount      numeric
		transaction *string
		paid        *numeric
	)
	err := row.Scan(&b.ID, &b.UserID, &b.ShowID, &b.Status, &b.CancelReason, &amount, &b.CreatedAt, &b.ExpiresAt,
		&b.Overdue, &b.SeatIDs, &transaction, &paid)
	if err != nil {
		return service.PayableBooking{}, notFound(err, domain.ErrBookingNotFound)
	}
	b.Amount = domain.Money(amount)
	if transaction != nil {
		b.Paid = &domain.Payment{TransactionID: *transaction, Amount: domain.Money(*paid)}
	}
	return b, nil
}
