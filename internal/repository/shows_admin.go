package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// showRules says what the constraints on a show mean to whoever writes one.
var showRules = map[string]*domain.Error{
	"shows_event_fkey":      domain.ErrEventNotFound,
	"shows_venue_fkey":      domain.ErrVenueNotFound,
	"shows_end_after_start": domain.ErrEndNotAfterStart,
	"shows_venue_busy":      domain.ErrVenueBusy,
}

// InsertShow inserts a show with every seat of its venue, which the caller has locked.
// ErrEventNotFound, ErrVenueNotFound, ErrEndNotAfterStart, ErrVenueBusy.
func (s *Store) InsertShow(ctx context.Context, show domain.Show) (domain.Show, error) {
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `
			WITH created AS (
				INSERT INTO shows (event_id, venue_id, start_time, end_time, price, total_seats)
				SELECT $1, $2, $3, $4, $5, count(*)
				FROM seats
				WHERE venue_id = $2
				RETURNING show_id, venue_id, start_time, end_time, created_at
			), filled AS (
				INSERT INTO show_seats (show_id, seat_id)
				SELECT created.show_id, seats.seat_id
				FROM created
				JOIN seats USING (venue_id)
			)
			SELECT show_id, start_time, end_time, created_at
			FROM created`,
			show.EventID, show.VenueID, show.StartTime, show.EndTime, numeric(show.Price),
		).Scan(&show.ID, &show.StartTime, &show.EndTime, &show.CreatedAt)
		return onConstraint(err, showRules)
	})
	return show, err
}

// ShowVenue gives the venue that a show is in, or ErrShowNotFound.
func (s *Store) ShowVenue(ctx context.Context, id int64) (venueID int64, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `
			SELECT venue_id
			FROM shows
			WHERE show_id = $1
			  AND deleted_at IS NULL`, id).Scan(&venueID)
		return notFound(err, domain.ErrShowNotFound)
	})
	return venueID, err
}

// LockShow gives a show, or ErrShowNotFound, and locks its row until the transaction ends.
// Whoever books shares a lock on that row, so this waits for bookings under way, and later
// ones wait for it.
func (s *Store) LockShow(ctx context.Context, id int64) (show domain.Show, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `
			SELECT show_id, event_id, venue_id, start_time, end_time, price, created_at
			FROM shows
			WHERE show_id = $1
			  AND deleted_at IS NULL
			FOR UPDATE`, id,
		).Scan(&show.ID, &show.EventID, &show.VenueID, &show.StartTime, &show.EndTime, (*numeric)(&show.Price), &show.CreatedAt)
		return notFound(err, domain.ErrShowNotFound)
	})
	return show, err
}

// UpdateShow writes a show that the caller has locked. ErrEventNotFound, ErrVenueNotFound,
// ErrEndNotAfterStart, ErrVenueBusy.
func (s *Store) UpdateShow(ctx context.Context, show domain.Show) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, `
			UPDATE shows
			SET event_id = $2, venue_id = $3, start_time = $4, end_time = $5, price = $6
			WHERE show_id = $1`,
			show.ID, show.EventID, show.VenueID, show.StartTime, show.EndTime, numeric(show.Price))
		return onConstraint(err, showRules)
	})
}

// FitShowSeats gives a show exactly the seats of its venue. The caller has locked both, and
// nobody holds a seat of the show.
func (s *Store) FitShowSeats(ctx context.Context, id int64) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, `
			WITH wanted AS MATERIALIZED (
				SELECT seats.seat_id
				FROM seats
				JOIN shows USING (venue_id)
				WHERE shows.show_id = $1
			), removed AS (
				DELETE FROM show_seats
				WHERE show_id = $1
				  AND NOT EXISTS (SELECT FROM wanted WHERE wanted.seat_id = show_seats.seat_id)
			), added AS (
				INSERT INTO show_seats (show_id, seat_id)
				SELECT $1, wanted.seat_id
				FROM wanted
				ON CONFLICT ON CONSTRAINT show_seats_pkey DO NOTHING
			)
			UPDATE shows
			SET total_seats = (SELECT count(*) FROM wanted)
			WHERE show_id = $1`, id)
		return err
	})
}

// CancelExpiredHoldsOfShow cancels the holds of a show, which the caller has locked, whose time
// is over: their seats are free and what was paid for them is refunded. Bookings are locked
// before seats, each in order, as everywhere; and by a statement of their own, so that the next
// one sees a payment whose end this one waited for.
func (s *Store) CancelExpiredHoldsOfShow(ctx context.Context, id int64) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			SELECT b.booking_id
			FROM bookings b
			WHERE b.show_id = $1
			  AND b.status = 'PENDING'
			  AND b.expires_at <= now()
			ORDER BY b.booking_id
			FOR UPDATE`, id)
		if err != nil {
			return err
		}
		expired, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil || len(expired) == 0 {
			return err
		}
		_, err = q.Exec(ctx, `
			WITH cancelled AS (
				UPDATE bookings
				SET status = 'CANCELLED', cancel_reason = 'expired', cancelled_at = now()
				WHERE booking_id = ANY($2::bigint[])
			), refunded AS (
				UPDATE payments
				SET status = 'refunded', refunded_at = now()
				WHERE booking_id = ANY($2::bigint[])
				  AND status = 'succeeded'
			), held AS MATERIALIZED (
				SELECT seat_id
				FROM show_seats
				WHERE show_id = $1
				  AND booking_id = ANY($2::bigint[])
				ORDER BY seat_id
				FOR UPDATE
			)
			UPDATE show_seats
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM held
			WHERE show_seats.show_id = $1
			  AND show_seats.seat_id = held.seat_id`, id, expired)
		return err
	})
}

// ShowHasLiveBookings reports whether anybody holds or has bought a seat of the show.
func (s *Store) ShowHasLiveBookings(ctx context.Context, id int64) (booked bool, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `
			SELECT EXISTS (
				SELECT
				FROM bookings b
				WHERE b.show_id = $1
				  AND (b.status = 'CONFIRMED' OR (b.status = 'PENDING' AND b.expires_at > now()))
			)`, id).Scan(&booked)
	})
	return booked, err
}

// DeleteShow deletes a show, which the caller has locked and found without live bookings, and
// its seats. One that was ever booked is only hidden, for the history of its bookings refers
// to it: it has no seats then, so that none is available and none keeps its venue's.
func (s *Store) DeleteShow(ctx context.Context, id int64) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, `
			DELETE FROM shows
			WHERE show_id = $1
			  AND NOT EXISTS (SELECT FROM bookings WHERE bookings.show_id = $1)`, id)
		if err != nil || tag.RowsAffected() == 1 {
			return err
		}
		_, err = q.Exec(ctx, `
			WITH removed AS (
				DELETE FROM show_seats
				WHERE show_id = $1
			)
			UPDATE shows
			SET deleted_at = now(), total_seats = 0
			WHERE show_id = $1`, id)
		return err
	})
}
