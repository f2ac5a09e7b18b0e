package repository

import (
	"context"

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

// lockDueOfShow locks the expired holds of a show.
const lockDueOfShow = `
	SELECT booking_id
	FROM bookings
	WHERE show_id = $1 AND ` + expiredHold + `
	ORDER BY booking_id
	FOR UPDATE`

// CancelExpiredHoldsOfShow ends the expired holds of a show that the caller has locked.
func (s *Store) CancelExpiredHoldsOfShow(ctx context.Context, id int64) error {
	_, err := s.expire(ctx, lockDueOfShow, id)
	return err
}

// ShowHasLiveBookings reports whether anybody holds or has bought a seat of the show.
func (s *Store) ShowHasLiveBookings(ctx context.Context, id int64) (booked bool, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `
			SELECT EXISTS (
				SELECT
				FROM bookings
				WHERE show_id = $1
				  AND `+liveBooking+`
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
