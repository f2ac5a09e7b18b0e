package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
)

// LoadHold locks and reads, in one round trip and in the order of all locks: user, show, expired bookings, seats.
// A statement sees only what was committed before it began, so what is decided on is read after the locks.
const (
	// One user's transitions run one after the other, so that each counts the seats of those before it. The
	// show keeps its price and its start until the transaction ends; see lockShowAlone.
	lockUserAndShow = `
		SELECT pg_advisory_xact_lock(` + userKey + `), pg_advisory_xact_lock_shared(` + showKey + `)
		FROM (VALUES ($1::bigint, $2::bigint)) AS request (user_id, show_id)`

	showForHold = `
		SELECT now(), nextval('bookings_booking_id_seq'), start_time,
		       EXISTS (SELECT FROM users WHERE user_id = $2 AND closed_at IS NULL AND blocked_at IS NULL)
		FROM shows
		WHERE show_id = $1 AND deleted_at IS NULL`

	expiredColumns = `
		bookings.booking_id, bookings.user_id, bookings.show_id, bookings.amount, bookings.lock_token,
		bookings.created_at, bookings.expires_at, now() - bookings.expires_at,
		ARRAY(SELECT seat_id FROM booking_seats WHERE booking_seats.booking_id = bookings.booking_id ORDER BY seat_id),
		EXISTS (SELECT FROM payments WHERE payments.booking_id = bookings.booking_id AND payments.status = 'succeeded')`

	expiredHolders = `
		FROM bookings
		WHERE ` + expiredHold + `
		  AND bookings.booking_id = ANY (ARRAY(
		        SELECT booking_id
		        FROM show_seats
		        WHERE show_id = $1 AND seat_id = ANY ($2::bigint[]) AND status = 'LOCKED'
		      ))`

	lockExpiredHolders = `
		SELECT ` + expiredColumns + expiredHolders + `
		ORDER BY bookings.booking_id
		FOR UPDATE`

	lockSeatsForHold = `
		SELECT seat_id
		FROM show_seats
		WHERE show_id = $1
		  AND seat_id = ANY (ARRAY(
		        SELECT unnest($2::bigint[])
		        UNION
		        SELECT seat_id FROM booking_seats WHERE booking_id = ANY (ARRAY(SELECT bookings.booking_id ` + expiredHolders + `))
		      ))
		ORDER BY seat_id
		FOR UPDATE`

	// LIMIT keeps the planner from reading all bookings, which looks cheap in a plan made while there were few.
	seatsForHold = `
		SELECT ` + seatColumns + `, ` + seatPrice + `,
		       holder.booking_id, holder.user_id, holder.status, holder.expires_at, holder.seat_count
		FROM show_seats
		JOIN shows ON shows.show_id = show_seats.show_id
		JOIN seats ON seats.seat_id = show_seats.seat_id
		LEFT JOIN LATERAL (
			SELECT booking_id, user_id, status, expires_at, seat_count
			FROM bookings
			WHERE bookings.booking_id = show_seats.booking_id
			LIMIT 1
		) AS holder ON true
		WHERE show_seats.show_id = $1 AND show_seats.seat_id = ANY ($2::bigint[])`

	userSeats = `
		SELECT coalesce(sum(seat_count), 0)
		FROM bookings
		WHERE user_id = $1 AND show_id = $2 AND ` + liveBooking

	// The count of payments is not an EXISTS: the planner would read all payments to look few up.
	userHolds = `
		SELECT count(*)
		FROM bookings
		WHERE user_id = $1 AND ` + liveHold + `
		  AND (SELECT count(*) FROM payments WHERE booking_id = bookings.booking_id AND status = 'succeeded') = 0`

	// A hold that ran out counts from its end, whenever it was cleaned up.
	coolUntil = `
		SELECT max(least(cancelled_at, expires_at)) + $4
		FROM bookings
		JOIN booking_seats USING (booking_id)
		WHERE bookings.user_id = $1 AND bookings.show_id = $2 AND seat_id = ANY ($3::bigint[])
		  AND (status = 'PENDING' OR status = 'CANCELLED' AND cancel_reason <> 'admin')
		  AND (SELECT count(*) FROM payments WHERE booking_id = bookings.booking_id AND status IN (` + paidStates + `)) = 0`
)

func (s *Store) LoadHold(ctx context.Context, request domain.HoldRequest) (domain.HoldState, error) {
	var state domain.HoldState
	batch := &pgx.Batch{}
	batch.Queue(lockUserAndShow, request.UserID, request.ShowID)
	batch.Queue(showForHold, request.ShowID, request.UserID).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			state.Found = true
			if err := rows.Scan(&state.Now, &state.NextBookingID, &state.ShowStart, &state.UserActive); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	collect(batch, &state.Expired, scanExpiredHold, lockExpiredHolders, request.ShowID, request.SeatIDs)
	batch.Queue(lockSeatsForHold, request.ShowID, request.SeatIDs)
	collect(batch, &state.Seats, scanSeatState, seatsForHold, request.ShowID, request.SeatIDs)
	batch.Queue(userSeats, request.UserID, request.ShowID).QueryRow(func(row pgx.Row) error {
		return row.Scan(&state.UserSeats)
	})
	if request.MaxHolds > 0 {
		batch.Queue(userHolds, request.UserID).QueryRow(func(row pgx.Row) error { return row.Scan(&state.UserHolds) })
	}
	if request.Cooldown > 0 {
		batch.Queue(coolUntil, request.UserID, request.ShowID, request.SeatIDs, request.Cooldown).QueryRow(
			func(row pgx.Row) error { return row.Scan(&state.CoolUntil) })
	}
	err := s.send(ctx, batch)
	return state, err
}

func scanSeatState(row pgx.CollectableRow) (domain.SeatState, error) {
	var (
		seat      domain.SeatState
		bookingID *int64
		userID    *int64
		status    *domain.BookingStatus
		expiresAt pgtype.Timestamptz
		seatCount *int
	)
	err := row.Scan(append(seatTargets(&seat.Seat),
		(*numeric)(&seat.Price), &bookingID, &userID, &status, &expiresAt, &seatCount)...)
	if err != nil || bookingID == nil {
		return seat, err
	}
	seat.Holder = &domain.Holder{
		BookingID: *bookingID, UserID: *userID, Status: *status, ExpiresAt: expiresAt.Time, SeatCount: *seatCount,
	}
	return seat, nil
}

func scanExpiredHold(row pgx.CollectableRow) (domain.ExpiredHold, error) {
	hold := domain.ExpiredHold{Booking: domain.Booking{Status: domain.BookingPending}}
	b := &hold.Booking
	err := row.Scan(&b.ID, &b.UserID, &b.ShowID, (*numeric)(&b.Amount), &b.LockToken,
		&b.CreatedAt, &b.ExpiresAt, &hold.Overdue, &hold.SeatIDs, &hold.Paid)
	return hold, err
}
