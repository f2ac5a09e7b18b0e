package repository

import (
	"context"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// LockVenues locks the rows of these venues, in the order of their ids, until the transaction
// ends. It does not keep others from referring to them, so bookings never wait for it.
// ErrVenueNotFound when one is not there.
func (s *Store) LockVenues(ctx context.Context, ids ...int64) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, `
			SELECT venue_id
			FROM venues
			WHERE venue_id = ANY($1::bigint[])
			ORDER BY venue_id
			FOR NO KEY UPDATE`, ids)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != int64(len(ids)) {
			return domain.ErrVenueNotFound
		}
		return nil
	})
}

// InsertVenue inserts a venue.
func (s *Store) InsertVenue(ctx context.Context, name, address string) (domain.Venue, error) {
	return s.oneVenue(ctx, `
		INSERT INTO venues (venue_name, address)
		VALUES ($1, $2)
		RETURNING venue_id, venue_name, address, created_at`, name, address)
}

// ListVenues gives at most limit venues whose id is above afterID, by id.
func (s *Store) ListVenues(ctx context.Context, afterID int64, limit int) (venues []domain.Venue, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			SELECT venue_id, venue_name, address, created_at
			FROM venues
			WHERE venue_id > $1
			ORDER BY venue_id
			LIMIT $2`, afterID, limit)
		if err != nil {
			return err
		}
		venues, err = pgx.CollectRows(rows, venueRow)
		return err
	})
	return venues, err
}

// Venue gives a venue, or ErrVenueNotFound.
func (s *Store) Venue(ctx context.Context, id int64) (domain.Venue, error) {
	return s.oneVenue(ctx, `
		SELECT venue_id, venue_name, address, created_at
		FROM venues
		WHERE venue_id = $1`, id)
}

// UpdateVenue changes a venue and gives it as it is then, or ErrVenueNotFound.
func (s *Store) UpdateVenue(ctx context.Context, id int64, change domain.VenueChange) (domain.Venue, error) {
	return s.oneVenue(ctx, `
		UPDATE venues
		SET venue_name = COALESCE($2, venue_name),
		    address    = COALESCE($3, address)
		WHERE venue_id = $1
		RETURNING venue_id, venue_name, address, created_at`, id, change.Name, change.Address)
}

// DeleteVenue deletes a venue, and its seats by their foreign key. ErrVenueNotFound;
// ErrVenueHasShows when a show, hidden or not, or the history of a booking, refers to it.
func (s *Store) DeleteVenue(ctx context.Context, id int64) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, `
			DELETE FROM venues
			WHERE venue_id = $1`, id)
		if err != nil {
			return onConstraint(err, map[string]*domain.Error{
				"shows_venue_fkey":     domain.ErrVenueHasShows,
				"show_seats_seat_fkey": domain.ErrVenueHasShows,
				// The show may be in another venue by now; what was booked of this one stays.
				"booking_seats_seat_fkey": domain.ErrVenueHasShows.
					WithMessage("The venue has seats that were booked for a show"),
			})
		}
		if tag.RowsAffected() == 0 {
			return domain.ErrVenueNotFound
		}
		return nil
	})
}

// oneVenue runs a statement that gives one venue, or ErrVenueNotFound.
func (s *Store) oneVenue(ctx context.Context, sql string, args ...any) (venue domain.Venue, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		venue, err = pgx.CollectExactlyOneRow(rows, venueRow)
		return notFound(err, domain.ErrVenueNotFound)
	})
	return venue, err
}

// venueRow reads venue_id, venue_name, address, created_at.
func venueRow(row pgx.CollectableRow) (v domain.Venue, err error) {
	err = row.Scan(&v.ID, &v.Name, &v.Address, &v.CreatedAt)
	return v, err
}
