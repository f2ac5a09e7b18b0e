package repository

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
	"evently/internal/service"
)

// Nearly every hold that gets as far as PostgreSQL is of seats that are free, and needs none of
// what it takes to end an overdue hold. This statement does just that, or nothing. Behind the one that
// locks the show it is one round trip, with the first and the last locks of the order that every
// path follows.
//
// Seats that are not free are not waited for. One that was free when this statement began is looked
// at again under its lock.
const holdFreeSeats = `
		WITH held AS (
			INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at)
			SELECT $3, show_id, cardinality($2::bigint[]), price * cardinality($2::bigint[]), $4, now() + $5::interval
			FROM shows
			WHERE show_id = $1 AND deleted_at IS NULL AND start_time > now()
			  AND cardinality($2::bigint[]) = (
			        SELECT count(*)
			        FROM (
			          SELECT
			          FROM show_seats
			          WHERE show_id = $1 AND seat_id = ANY ($2::bigint[]) AND status = 'AVAILABLE'
			          ORDER BY seat_id
			          FOR UPDATE
			        ) AS free
			      )
			  AND ($6::int = 0 OR cardinality($2::bigint[]) + (
			        SELECT coalesce(sum(seat_count), 0)
			        FROM bookings
			        WHERE user_id = $3 AND show_id = $1
			          AND CASE status WHEN 'CONFIRMED' THEN true WHEN 'PENDING' THEN expires_at > now() ELSE false END
			      ) <= $6::int)
			RETURNING booking_id, amount, created_at, expires_at
		), items AS (
			INSERT INTO booking_seats (booking_id, seat_id, price)
			SELECT booking_id, unnest($2::bigint[]), amount / cardinality($2::bigint[])
			FROM held
		), taken AS (
			UPDATE show_seats
			SET status = 'LOCKED', booking_id = held.booking_id, locked_at = now()
			FROM held
			WHERE show_id = $1 AND seat_id = ANY ($2::bigint[])
		)
		SELECT held.booking_id, held.amount, held.created_at, held.expires_at,
		       seats.seat_id, seats.venue_id, seats.seat_row, seats.seat_number
		FROM held
		CROSS JOIN seats
		WHERE seats.seat_id = ANY ($2::bigint[])`

// HoldSeats implements service.BookingStore.
func (s *Store) HoldSeats(ctx context.Context, hold service.NewHold) (domain.Hold, error) {
	// What was locked in vain is let go at the end of the transaction. In one that goes on, holdAny
	// would lock bookings behind seats, against the order.
	if !inTx(ctx) {
		held, err := s.holdFree(ctx, hold)
		if err != nil || held.ID != 0 {
			return held, err
		}
	}
	return s.holdAny(ctx, hold)
}

// holdFree takes seats that are free, all of them, or gives a hold without an id.
func (s *Store) holdFree(ctx context.Context, asked service.NewHold) (domain.Hold, error) {
	var hold domain.Hold
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		hold = domain.Hold{}
		batch := &pgx.Batch{}
		queueShowLock(batch, asked)
		batch.Queue(holdFreeSeats, asked.ShowID, asked.SeatIDs, asked.UserID, asked.LockToken, asked.HoldFor, asked.UserLimit).
			Query(func(rows pgx.Rows) error {
				var err error
				hold, err = scanHold(rows, asked)
				return err
			})
		return holderIsGone(q.SendBatch(ctx, batch).Close())
	})
	return hold, err
}

// queueShowLock locks the show and, before it, what one user's holds of it have to queue up for.
func queueShowLock(batch *pgx.Batch, asked service.NewHold) {
	if asked.UserLimit > 0 {
		batch.Queue(lockUserAndShow, asked.UserID, asked.ShowID)
		return
	}
	batch.Queue(lockShow, asked.ShowID)
}

// holderIsGone is the error of a hold whose user does not exist any more, although their token is good.
func holderIsGone(err error) error {
	return onConstraint(err, map[string]*domain.Error{"bookings_user_fkey": domain.ErrUnauthorized})
}

// scanHold reads a hold from the rows of its seats.
func scanHold(rows pgx.Rows, asked service.NewHold) (domain.Hold, error) {
	var (
		amount             numeric
		createdAt, expires time.Time
		hold               domain.Hold
	)
	for rows.Next() {
		var seat domain.Seat
		if err := rows.Scan(&hold.ID, &amount, &createdAt, &expires, &seat.ID, &seat.VenueID, &seat.Row, &seat.Number); err != nil {
			return domain.Hold{}, err
		}
		hold.Seats = append(hold.Seats, domain.BookedSeat{Seat: seat})
	}
	if err := rows.Err(); err != nil || len(hold.Seats) == 0 {
		return domain.Hold{}, err
	}
	hold.Booking = domain.Booking{
		ID: hold.ID, UserID: asked.UserID, ShowID: asked.ShowID,
		Status: domain.BookingPending, Amount: domain.Money(amount), CreatedAt: createdAt, ExpiresAt: expires,
	}
	for i := range hold.Seats {
		hold.Seats[i].Price = hold.Amount / domain.Money(len(hold.Seats)) // one price for all seats of a show
	}
	sortSeats(hold.Seats)
	return hold, nil
}

// sortSeats brings seats into the order of a hall: row A to Z before AA, and then by number.
func sortSeats(seats []domain.BookedSeat) {
	slices.SortFunc(seats, func(a, b domain.BookedSeat) int {
		return cmp.Or(
			cmp.Compare(utf8.RuneCountInString(a.Row), utf8.RuneCountInString(b.Row)),
			strings.Compare(a.Row, b.Row),
			cmp.Compare(a.Number, b.Number),
		)
	})
}
