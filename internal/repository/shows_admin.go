package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

func (s *Store) Now(ctx context.Context) (time.Time, error) {
	return one(ctx, s, pgx.RowTo[time.Time], domain.ErrInternal, `SELECT now()`)
}

func (s *Store) InsertShow(ctx context.Context, show domain.Show) (domain.Show, error) {
	err := s.withinTx(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `
			INSERT INTO shows (event_id, venue_id, start_time, end_time, price)
			VALUES ($1, $2, $3, $4, $5)
			RETURNING show_id, start_time, end_time, created_at`,
			show.EventID, show.VenueID, show.StartTime, show.EndTime, numeric(show.Price),
		).Scan(&show.ID, &show.StartTime, &show.EndTime, &show.CreatedAt)
		if err != nil {
			return err
		}
		return fillShows(ctx, q, 0, show.ID)
	})
	return show, err
}

func (s *Store) ShowVenue(ctx context.Context, id int64) (int64, error) {
	return one(ctx, s, pgx.RowTo[int64], domain.ErrShowNotFound, `
		SELECT venue_id
		FROM shows
		WHERE show_id = $1
		  AND deleted_at IS NULL`, id)
}

// lockShowAlone waits for the transitions of bookings of a show that are under way, and later ones wait for
// it. Row locks would let them pass, and never get a turn while people book.
const lockShowAlone = `SELECT pg_advisory_xact_lock(` + showKey + `) FROM (VALUES ($1::bigint)) AS change (show_id)`

func (s *Store) LockShow(ctx context.Context, id int64) (show domain.Show, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		if _, err := q.Exec(ctx, lockShowAlone, id); err != nil {
			return err
		}
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

func (s *Store) UpdateShow(ctx context.Context, show domain.Show) error {
	_, err := s.exec(ctx, `
		UPDATE shows
		SET event_id = $2, venue_id = $3, start_time = $4, end_time = $5, price = $6
		WHERE show_id = $1`,
		show.ID, show.EventID, show.VenueID, show.StartTime, show.EndTime, numeric(show.Price))
	return err
}

func (s *Store) FitShowSeats(ctx context.Context, id int64) error {
	return s.withinTx(ctx, func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, `
			DELETE FROM show_seats
			WHERE show_id = $1
			  AND NOT EXISTS (
			        SELECT
			        FROM shows
			        JOIN seats USING (venue_id)
			        WHERE shows.show_id = $1 AND seats.seat_id = show_seats.seat_id
			      )`, id)
		if err != nil {
			return err
		}
		return fillShows(ctx, q, 0, id)
	})
}

const lockExpiredOfShow = `
	SELECT ` + expiredColumns + `
	FROM bookings
	WHERE bookings.show_id = $1 AND ` + expiredHold + `
	ORDER BY bookings.booking_id
	FOR UPDATE`

func (s *Store) LoadExpiredHolds(ctx context.Context, showID int64) ([]domain.ExpiredHold, error) {
	var holds []domain.ExpiredHold
	batch := &pgx.Batch{}
	collect(batch, &holds, scanExpiredHold, lockExpiredOfShow, showID)
	err := s.send(ctx, batch)
	return holds, err
}

func (s *Store) ShowHasLiveBookings(ctx context.Context, id int64) (bool, error) {
	return one(ctx, s, pgx.RowTo[bool], domain.ErrShowNotFound, `
		SELECT EXISTS (
			SELECT
			FROM bookings
			WHERE show_id = $1
			  AND `+liveBooking+`
		)`, id)
}

func (s *Store) DeleteShow(ctx context.Context, id int64) error {
	return s.withinTx(ctx, func(ctx context.Context, q querier) error {
		batch := &pgx.Batch{}
		batch.Queue(`
			SELECT booking_id
			FROM bookings
			WHERE show_id = $1
			ORDER BY booking_id
			FOR UPDATE`, id)
		batch.Queue(`
			DELETE FROM show_seats
			WHERE show_id = $1`, id)
		batch.Queue(`
			DELETE FROM bookings
			WHERE show_id = $1 AND NOT `+maybePaid, id)
		batch.Queue(`
			DELETE FROM shows
			WHERE show_id = $1
			  AND NOT EXISTS (SELECT FROM bookings WHERE bookings.show_id = $1)`, id)
		batch.Queue(`
			UPDATE shows
			SET deleted_at = now(), total_seats = 0
			WHERE show_id = $1`, id)
		return q.SendBatch(ctx, batch).Close()
	})
}
