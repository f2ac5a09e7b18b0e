package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// Ending holds is two statements in one transaction: the second one's snapshot is taken when
// the bookings are locked, so it sees a payment that was recorded a moment before. SKIP LOCKED
// leaves to other instances, and to users, what they are at work on.
const (
	lockDue = `
		SELECT booking_id
		FROM bookings
		WHERE status = 'PENDING' AND expires_at <= now()
		ORDER BY expires_at, booking_id
		LIMIT $1
		FOR UPDATE SKIP LOCKED`

	lockDueOne = `
		SELECT booking_id
		FROM bookings
		WHERE booking_id = $1 AND status = 'PENDING' AND expires_at <= now()
		FOR UPDATE`

	expireLocked = `
		WITH held AS MATERIALIZED (
			SELECT show_seats.show_id, show_seats.seat_id
			FROM bookings
			JOIN booking_seats USING (booking_id)
			JOIN show_seats ON show_seats.show_id = bookings.show_id AND show_seats.seat_id = booking_seats.seat_id
			WHERE bookings.booking_id = ANY ($1::bigint[]) AND show_seats.booking_id = bookings.booking_id
			ORDER BY show_seats.show_id, show_seats.seat_id
			FOR UPDATE OF show_seats
		), freed AS (
			UPDATE show_seats
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM held
			WHERE show_seats.show_id = held.show_id AND show_seats.seat_id = held.seat_id
		), refunded AS (
			UPDATE payments
			SET status = 'refunded', refunded_at = now()
			WHERE booking_id = ANY ($1::bigint[]) AND status = 'succeeded'
		), ended AS (
			UPDATE bookings
			SET status = 'CANCELLED', cancel_reason = 'expired', cancelled_at = now()
			WHERE booking_id = ANY ($1::bigint[])
			RETURNING booking_id, show_id, lock_token, now() - expires_at AS overdue
		)
		SELECT ended.show_id, ended.lock_token, ended.overdue, array_agg(booking_seats.seat_id)
		FROM ended
		JOIN booking_seats USING (booking_id)
		GROUP BY ended.booking_id, ended.show_id, ended.lock_token, ended.overdue`
)

// ExpireBookings implements service.BookingStore.
func (s *Store) ExpireBookings(ctx context.Context, limit int) ([]domain.SeatLock, error) {
	return s.expire(ctx, lockDue, limit)
}

// ExpireBooking implements service.BookingStore.
func (s *Store) ExpireBooking(ctx context.Context, bookingID int64) ([]domain.SeatLock, error) {
	return s.expire(ctx, lockDueOne, bookingID)
}

func (s *Store) expire(ctx context.Context, lockStatement string, arg any) ([]domain.SeatLock, error) {
	var locks []domain.SeatLock
	err := s.withinTx(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, lockStatement, arg)
		if err != nil {
			return err
		}
		due, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(due) == 0 {
			locks = nil
			return err
		}
		rows, err = q.Query(ctx, expireLocked, due)
		if err != nil {
			return err
		}
		locks, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (domain.SeatLock, error) {
			var lock domain.SeatLock
			err := row.Scan(&lock.ShowID, &lock.Token, &lock.Overdue, &lock.SeatIDs)
			return lock, err
		})
		return err
	})
	return locks, err
}
