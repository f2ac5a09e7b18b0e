package repository

import (
	"context"
	"math"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// BookingDetails gives a booking of this user with its show and seats. Another user's booking
// is domain.ErrBookingNotFound, as is one that does not exist.
func (s *Store) BookingDetails(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error) {
	var booking domain.BookingDetails
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		bookings, err := bookingDetails(ctx, q, `
			SELECT b.booking_id
			FROM bookings b
			WHERE b.booking_id = $1 AND b.user_id = $2`, bookingID, userID)
		if err != nil {
			return err
		}
		if len(bookings) == 0 {
			return domain.ErrBookingNotFound
		}
		booking = bookings[0]
		return nil
	})
	return booking, err
}

// UserBookings gives up to limit bookings of a user, newest first, and whether there are more.
// It starts behind the booking after (0 is the head of the list) and keeps to one status unless
// that is nil; a hold that is over counts as CANCELLED there too.
func (s *Store) UserBookings(ctx context.Context, userID int64, status *domain.BookingStatus, limit int, after int64) (bookings []domain.BookingDetails, more bool, err error) {
	before := after
	if after == 0 {
		before = math.MaxInt64
	}
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		bookings, err = bookingDetails(ctx, q, `
			SELECT b.booking_id
			FROM bookings b
			WHERE b.user_id = $1
			  AND b.booking_id < $2
			  AND ($3::text IS NULL OR $3 = CASE
			      WHEN b.status = 'PENDING' AND b.expires_at <= now() THEN 'CANCELLED'
			      ELSE b.status::text END)
			ORDER BY b.booking_id DESC
			LIMIT $4`, userID, before, status, limit+1)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if len(bookings) > limit {
		return bookings[:limit], true, nil
	}
	return bookings, false, nil
}

// bookingDetails reads the bookings whose ids the query page gives, newest first, all in one
// statement. Seats taken are counted once for each show of the page. A deleted show is still
// the show of its bookings.
func bookingDetails(ctx context.Context, q querier, page string, args ...any) ([]domain.BookingDetails, error) {
	rows, err := q.Query(ctx, `
		WITH page AS MATERIALIZED (`+page+`
		), listed AS MATERIALIZED (
			SELECT b.booking_id, b.user_id, b.show_id, b.status, b.cancel_reason, b.amount,
			       b.created_at, b.expires_at, b.status = 'PENDING' AND b.expires_at <= now() AS over
			FROM bookings b
			WHERE b.booking_id IN (SELECT booking_id FROM page)
		), taken AS MATERIALIZED (
			SELECT s.show_id, count.seats
			FROM (SELECT DISTINCT show_id FROM listed) s
			CROSS JOIN LATERAL (
				SELECT coalesce(sum(b.seat_count), 0)::int AS seats
				FROM bookings b
				WHERE b.show_id = s.show_id
				  AND (b.status = 'CONFIRMED' OR (b.status = 'PENDING' AND b.expires_at > now()))
			) count
		)
		SELECT l.booking_id, l.user_id, l.show_id,
		       CASE WHEN l.over THEN 'CANCELLED' ELSE l.status::text END,
		       CASE WHEN l.over THEN 'expired' ELSE coalesce(l.cancel_reason, '') END,
		       l.amount, l.created_at, l.expires_at,
		       seats.ids, seats.venue_ids, seats.seat_rows, seats.numbers, seats.prices,
		       s.show_id, s.event_id, s.venue_id, s.start_time, s.end_time, s.price,
		       s.created_at, e.event_id, e.title, v.venue_id, v.venue_name, v.address,
		       s.total_seats, s.total_seats - taken.seats
		FROM listed l
		JOIN shows s ON s.show_id = l.show_id
		JOIN events e ON e.event_id = s.event_id
		JOIN venues v ON v.venue_id = s.venue_id
		JOIN taken ON taken.show_id = l.show_id
		CROSS JOIN LATERAL (
			SELECT array_agg(seat_id) AS ids, array_agg(venue_id) AS venue_ids,
			       array_agg(seat_row) AS seat_rows, array_agg(seat_number) AS numbers,
			       array_agg(price) AS prices
			FROM (
				SELECT seat.seat_id, seat.venue_id, seat.seat_row, seat.seat_number, bs.price
				FROM booking_seats bs
				JOIN seats seat ON seat.seat_id = bs.seat_id
				WHERE bs.booking_id = l.booking_id
				ORDER BY length(seat.seat_row), seat.seat_row COLLATE "C", seat.seat_number
			) ordered
		) seats
		ORDER BY l.booking_id DESC`, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanBookingDetails)
}

// scanBookingDetails reads one row of bookingDetails.
func scanBookingDetails(row pgx.CollectableRow) (domain.BookingDetails, error) {
	var b domain.BookingDetails
	var ids, venueIDs []int64
	var seatRows []string
	var numbers []int32
	var prices []numeric
	targets := append([]any{
		&b.ID, &b.UserID, &b.ShowID, &b.Status, &b.CancelReason,
		(*numeric)(&b.Amount), &b.CreatedAt, &b.ExpiresAt,
		&ids, &venueIDs, &seatRows, &numbers, &prices,
	}, showDetailsTargets(&b.Show)...)
	if err := row.Scan(targets...); err != nil {
		return domain.BookingDetails{}, err
	}
	b.Seats = make([]domain.BookedSeat, len(ids))
	for i := range ids {
		b.Seats[i] = domain.BookedSeat{
			Seat:  domain.Seat{ID: ids[i], VenueID: venueIDs[i], Row: seatRows[i], Number: numbers[i]},
			Price: domain.Money(prices[i]),
		}
	}
	return b, nil
}
