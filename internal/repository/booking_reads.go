package repository

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// showDetails reads shows with their details, deleted ones too. A WHERE clause follows.
const showDetails = `
	SELECT shows.show_id, shows.event_id, shows.venue_id, shows.start_time, shows.end_time, shows.price,
	       shows.created_at, events.event_id, events.title, venues.venue_id, venues.venue_name, venues.address,
	       shows.total_seats, shows.total_seats - ` + takenSeats + `
	FROM shows
	JOIN events ON events.event_id = shows.event_id
	JOIN venues ON venues.venue_id = shows.venue_id`

const (
	oneBooking = `
		SELECT booking_id
		FROM bookings
		WHERE booking_id = $1 AND user_id = $2`

	userBookings = `
		SELECT booking_id
		FROM bookings
		WHERE user_id = $1
		  AND booking_id < $2
		  AND ($3::text IS NULL OR $3 = CASE WHEN ` + expiredHold + ` THEN 'CANCELLED' ELSE status::text END)
		ORDER BY booking_id DESC
		LIMIT $4`
)

func (s *Store) BookingDetails(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error) {
	bookings, err := s.bookingDetails(ctx, oneBooking, bookingID, userID)
	if err == nil && len(bookings) == 0 {
		err = domain.ErrBookingNotFound
	}
	if err != nil {
		return domain.BookingDetails{}, err
	}
	return bookings[0], nil
}

func (s *Store) UserBookings(ctx context.Context, userID int64, status *domain.BookingStatus, limit int, after int64) (bookings []domain.BookingDetails, more bool, err error) {
	before := after
	if after == 0 {
		before = math.MaxInt64
	}
	bookings, err = s.bookingDetails(ctx, userBookings, userID, before, status, limit+1)
	bookings, more = page(bookings, limit)
	return bookings, more, err
}

// bookingDetails returns the bookings whose ids the query page selects, newest first.
func (s *Store) bookingDetails(ctx context.Context, page string, args ...any) (bookings []domain.BookingDetails, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, bookingsWithShows(page), args...)
		if err != nil {
			return err
		}
		bookings, err = pgx.CollectRows(rows, scanBookingDetails)
		if err != nil || len(bookings) == 0 {
			return err
		}
		return addSeats(ctx, q, bookings)
	})
	return bookings, err
}

func bookingsWithShows(page string) string {
	return `
		WITH page AS MATERIALIZED (` + page + `
		), listed_shows AS MATERIALIZED (` + showDetails + `
			WHERE shows.show_id IN (SELECT show_id FROM bookings WHERE booking_id IN (SELECT booking_id FROM page))
		)
		SELECT bookings.booking_id, bookings.user_id, bookings.show_id,
		       CASE WHEN ` + expiredHold + ` THEN 'CANCELLED' ELSE bookings.status::text END,
		       CASE WHEN ` + expiredHold + ` THEN 'expired' ELSE coalesce(bookings.cancel_reason, '') END,
		       bookings.amount, bookings.created_at, bookings.expires_at,
		       CASE WHEN bookings.status = 'PENDING' THEN greatest(bookings.expires_at - now(), '0'::interval) ELSE '0' END,
		       payment.payment_id, payment.transaction_id, payment.amount, payment.status, payment.paid_at,
		       CASE WHEN payment.status = 'succeeded' AND ` + expiredHold + ` THEN bookings.expires_at
		            ELSE payment.refund_requested_at END,
		       payment.refunded_at, listed_shows.*
		FROM bookings
		JOIN listed_shows ON listed_shows.show_id = bookings.show_id
		LEFT JOIN LATERAL (
			SELECT payments.*
			FROM payments
			WHERE payments.booking_id = bookings.booking_id AND payments.paid_at IS NOT NULL
			ORDER BY payments.status = 'succeeded' DESC, payments.payment_id DESC
			LIMIT 1
		) AS payment ON true
		WHERE bookings.booking_id IN (SELECT booking_id FROM page)
		ORDER BY bookings.booking_id DESC`
}

func scanBookingDetails(row pgx.CollectableRow) (domain.BookingDetails, error) {
	var (
		b             domain.BookingDetails
		p             domain.Payment
		paymentID     *int64
		transactionID *string
		amount        *numeric
		status        *domain.PaymentStatus
	)
	targets := append([]any{
		&b.ID, &b.UserID, &b.ShowID, &b.Status, &b.CancelReason,
		(*numeric)(&b.Amount), &b.CreatedAt, &b.ExpiresAt, &b.HoldLeft,
		&paymentID, &transactionID, &amount, &status, &p.PaidAt, &p.RefundRequestedAt, &p.RefundedAt,
	}, showDetailsTargets(&b.Show)...)
	if err := row.Scan(targets...); err != nil {
		return domain.BookingDetails{}, err
	}
	if paymentID != nil {
		p.ID, p.BookingID, p.TransactionID, p.Amount, p.Status = *paymentID, b.ID, *transactionID, domain.Money(*amount), *status
		if p.RefundRequestedAt != nil && p.Status == domain.PaymentSucceeded {
			p.Status = domain.PaymentRefundPending // the hold expired, and its end is not saved yet
		}
		b.Payment = &p
	}
	return b, nil
}

// addSeats reads the seats of bookings.
func addSeats(ctx context.Context, q querier, bookings []domain.BookingDetails) error {
	ids, byID := make([]int64, len(bookings)), map[int64]*domain.BookingDetails{}
	for i := range bookings {
		ids[i], byID[bookings[i].ID] = bookings[i].ID, &bookings[i]
	}
	rows, err := q.Query(ctx, `
		SELECT booking_seats.booking_id, `+seatColumns+`, booking_seats.price
		FROM booking_seats
		JOIN seats ON seats.seat_id = booking_seats.seat_id
		WHERE booking_seats.booking_id = ANY ($1::bigint[])
		ORDER BY `+seatOrder, ids)
	if err != nil {
		return err
	}
	var bookingID int64
	var seat domain.BookedSeat
	targets := append(append([]any{&bookingID}, seatTargets(&seat.Seat)...), (*numeric)(&seat.Price))
	_, err = pgx.ForEachRow(rows, targets, func() error {
		byID[bookingID].Seats = append(byID[bookingID].Seats, seat)
		return nil
	})
	return err
}
