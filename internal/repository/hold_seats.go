package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
	"evently/internal/service"
)

// holdAny is one round trip: three statements in one pipeline, which PostgreSQL runs as one
// transaction. Each statement sees what was committed before it began, so the order matters:
// what the last one counts and reads, the ones before it have locked.
//
// Locks are taken in the order that every path follows: show, bookings, seats; bookings and
// seats by ascending id.
const (
	// An admin who changes or deletes the show takes FOR UPDATE, and so waits for us or we for them.
	lockShow = `
		SELECT show_id
		FROM shows
		WHERE show_id = $1
		FOR KEY SHARE`

	// One user's locks for one show queue up here, so that each counts the seats of those before.
	// A row is locked when its WHERE was found to hold: first the user, then the show.
	lockUserAndShow = `
		SELECT show_id
		FROM shows
		WHERE show_id = $2
		  AND pg_advisory_xact_lock(hashtextextended('hold ' || $1::bigint || ' ' || $2::bigint, 0)) IS NOT NULL
		FOR KEY SHARE`

	// Holds whose time is over and that stand in our way: we end them below. The array and the CASE
	// leave the planner one way, by booking_id: the index of pending bookings looks cheaper while
	// it is small, and a plan made then would walk every overdue hold there is after a rush.
	overdue = `
		SELECT booking_id
		FROM bookings
		WHERE booking_id = ANY (ARRAY(
		        SELECT booking_id
		        FROM show_seats
		        WHERE show_id = $1 AND seat_id = ANY ($2::bigint[]) AND status = 'LOCKED'
		      ))
		  AND CASE status WHEN 'PENDING' THEN expires_at <= now() ELSE false END`

	lockOverdue = overdue + `
		ORDER BY booking_id
		FOR UPDATE`

	holdSeats = `
		WITH show AS (
			SELECT show_id, price, start_time <= now() AS started
			FROM shows
			WHERE show_id = $1 AND deleted_at IS NULL
		), overdue AS MATERIALIZED (` + overdue + `
		), locked AS MATERIALIZED (
			SELECT seat_id, status, booking_id
			FROM show_seats
			WHERE show_id = $1
			  AND seat_id = ANY (ARRAY(
			        SELECT unnest($2::bigint[])
			        UNION
			        SELECT seat_id FROM booking_seats JOIN overdue USING (booking_id)
			      ))
			ORDER BY seat_id
			FOR UPDATE
		), wanted AS MATERIALIZED (
			SELECT seat_id, venue_id, seat_row, seat_number,
			       locked.status = 'AVAILABLE'
			         OR EXISTS (SELECT FROM overdue WHERE overdue.booking_id = locked.booking_id) AS free
			FROM locked
			JOIN seats USING (seat_id)
			WHERE seat_id = ANY ($2::bigint[])
		), mine AS (
			SELECT coalesce(sum(seat_count), 0) AS seats
			FROM bookings
			WHERE $6::int > 0 AND user_id = $3 AND show_id = $1
			  AND CASE status WHEN 'CONFIRMED' THEN true WHEN 'PENDING' THEN expires_at > now() ELSE false END
		), held AS (
			INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at)
			SELECT $3, show_id, cardinality($2::bigint[]), price * cardinality($2::bigint[]), $4, now() + $5::interval
			FROM show, mine
			WHERE NOT started
			  AND (SELECT count(*) FILTER (WHERE free) FROM wanted) = cardinality($2::bigint[])
			  AND ($6::int = 0 OR mine.seats + cardinality($2::bigint[]) <= $6::int)
			RETURNING booking_id, amount, created_at, expires_at
		), items AS (
			INSERT INTO booking_seats (booking_id, seat_id, price)
			SELECT booking_id, seat_id, price
			FROM held, show, wanted
		), taken AS (
			UPDATE show_seats
			SET status = 'LOCKED', booking_id = held.booking_id, locked_at = now()
			FROM held
			WHERE show_id = $1 AND seat_id = ANY ($2::bigint[])
		), lapsed AS (
			UPDATE bookings
			SET status = 'CANCELLED', cancel_reason = 'expired', cancelled_at = now()
			FROM held, overdue
			WHERE bookings.booking_id = overdue.booking_id
			RETURNING bookings.booking_id, extract(epoch FROM now() - bookings.expires_at)::float8 AS seconds
		), freed AS (
			UPDATE show_seats
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM lapsed
			JOIN booking_seats USING (booking_id)
			WHERE show_seats.show_id = $1
			  AND show_seats.seat_id = booking_seats.seat_id
			  AND show_seats.booking_id = lapsed.booking_id
			  AND show_seats.seat_id <> ALL ($2::bigint[])
		), refunded AS (
			UPDATE payments
			SET status = 'refunded', refunded_at = now()
			FROM lapsed
			WHERE payments.booking_id = lapsed.booking_id AND payments.status = 'succeeded'
		)
		SELECT EXISTS (SELECT FROM show),
		       coalesce((SELECT started FROM show), false),
		       coalesce((SELECT price FROM show), 0),
		       held.booking_id, held.amount, held.created_at, held.expires_at,
		       seat_ids, venue_ids, seat_rows, seat_numbers, frees,
		       ARRAY(SELECT seconds FROM lapsed)
		FROM (
			SELECT array_agg(seat_id ORDER BY place) AS seat_ids,
			       array_agg(venue_id ORDER BY place) AS venue_ids,
			       array_agg(seat_row ORDER BY place) AS seat_rows,
			       array_agg(seat_number ORDER BY place) AS seat_numbers,
			       array_agg(free ORDER BY place) AS frees
			FROM (
				SELECT seat_id, venue_id, seat_row, seat_number, free,
				       row_number() OVER (ORDER BY length(seat_row), seat_row COLLATE "C", seat_number) AS place
				FROM wanted
			) AS placed
		) AS seats
		LEFT JOIN held ON true`
)

// holdRow is what holdSeats answers.
type holdRow struct {
	found, started bool
	price          numeric
	bookingID      *int64
	amount         *numeric
	createdAt      *time.Time
	expiresAt      *time.Time
	seatIDs        []int64
	venueIDs       []int64
	seatRows       []string
	seatNumbers    []int32
	free           []bool
	lapsed         []float64 // seconds
}

// holdAny takes seats that are free or whose hold is over, or tells why that cannot be.
func (s *Store) holdAny(ctx context.Context, hold service.NewHold) (domain.Hold, error) {
	var row holdRow
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		row = holdRow{}
		batch := &pgx.Batch{}
		queueShowLock(batch, hold)
		batch.Queue(lockOverdue, hold.ShowID, hold.SeatIDs)
		batch.Queue(holdSeats, hold.ShowID, hold.SeatIDs, hold.UserID, hold.LockToken, hold.HoldFor, hold.UserLimit).
			QueryRow(func(r pgx.Row) error {
				return r.Scan(&row.found, &row.started, &row.price,
					&row.bookingID, &row.amount, &row.createdAt, &row.expiresAt,
					&row.seatIDs, &row.venueIDs, &row.seatRows, &row.seatNumbers, &row.free, &row.lapsed)
			})
		return holderIsGone(q.SendBatch(ctx, batch).Close())
	})
	if err != nil {
		return domain.Hold{}, err
	}
	return row.hold(hold)
}

// hold gives the new booking, or why there is none.
func (r *holdRow) hold(asked service.NewHold) (domain.Hold, error) {
	seats := make([]domain.BookedSeat, len(r.seatIDs))
	unknown := make(map[int64]bool, len(asked.SeatIDs))
	for _, id := range asked.SeatIDs {
		unknown[id] = true
	}
	failed := []int64{}
	for i, id := range r.seatIDs {
		delete(unknown, id)
		if !r.free[i] {
			failed = append(failed, id)
		}
		seats[i] = domain.BookedSeat{
			Seat:  domain.Seat{ID: id, VenueID: r.venueIDs[i], Row: r.seatRows[i], Number: r.seatNumbers[i]},
			Price: domain.Money(r.price),
		}
	}
	switch {
	case r.bookingID != nil:
		lapsed := make([]time.Duration, len(r.lapsed))
		for i, seconds := range r.lapsed {
			lapsed[i] = time.Duration(seconds * float64(time.Second))
		}
		return domain.Hold{
			Booking: domain.Booking{
				ID: *r.bookingID, UserID: asked.UserID, ShowID: asked.ShowID,
				Status: domain.BookingPending, Amount: domain.Money(*r.amount),
				CreatedAt: *r.createdAt, ExpiresAt: *r.expiresAt,
			},
			Seats:  seats,
			Lapsed: lapsed,
		}, nil
	case !r.found:
		return domain.Hold{}, domain.ErrShowNotFound
	case r.started:
		return domain.Hold{}, domain.ErrShowStarted
	case len(unknown) > 0:
		return domain.Hold{}, domain.ErrInvalidSeats.With("invalid_seats", only(asked.SeatIDs, unknown))
	case len(failed) > 0:
		return domain.Hold{}, domain.ErrSeatsUnavailable.With("failed_seats", failed)
	default:
		return domain.Hold{}, domain.ErrSeatLimit
	}
}

// only gives those of ids that are in set, in their order.
func only(ids []int64, set map[int64]bool) []int64 {
	kept := []int64{}
	for _, id := range ids {
		if set[id] {
			kept = append(kept, id)
		}
	}
	return kept
}
