package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
)

// LockVenues locks these venues, by ascending id, until the transaction ends.
func (s *Store) LockVenues(ctx context.Context, ids ...int64) error {
	found, err := s.exec(ctx, `
		SELECT venue_id
		FROM venues
		WHERE venue_id = ANY($1::bigint[])
		ORDER BY venue_id
		FOR NO KEY UPDATE`, ids)
	if err == nil && found != len(ids) {
		return domain.ErrVenueNotFound
	}
	return err
}

func (s *Store) CreateVenue(ctx context.Context, name, address string) (domain.Venue, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.Venue], domain.ErrVenueNotFound, `
		INSERT INTO venues (venue_name, name_folded, address)
		VALUES ($1, $2, $3)
		RETURNING venue_id, venue_name, address, created_at`, name, domain.Fold(name), address)
}

func (s *Store) ListVenues(ctx context.Context, afterID int64, limit int) ([]domain.Venue, bool, error) {
	venues, err := list(ctx, s, pgx.RowToStructByPos[domain.Venue], `
		SELECT venue_id, venue_name, address, created_at
		FROM venues
		WHERE venue_id > $1
		ORDER BY venue_id
		LIMIT $2`, afterID, limit+1)
	venues, more := page(venues, limit)
	return venues, more, err
}

func (s *Store) Venue(ctx context.Context, id int64) (domain.Venue, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.Venue], domain.ErrVenueNotFound, `
		SELECT venue_id, venue_name, address, created_at
		FROM venues
		WHERE venue_id = $1`, id)
}

func (s *Store) UpdateVenue(ctx context.Context, id int64, change domain.VenueChange) (domain.Venue, error) {
	var folded *string
	if change.Name != nil {
		folded = new(domain.Fold(*change.Name))
	}
	return one(ctx, s, pgx.RowToStructByPos[domain.Venue], domain.ErrVenueNotFound, `
		UPDATE venues
		SET venue_name  = coalesce($2, venue_name),
		    name_folded = coalesce($3, name_folded),
		    address     = coalesce($4, address)
		WHERE venue_id = $1
		RETURNING venue_id, venue_name, address, created_at`, id, change.Name, folded, change.Address)
}

func (s *Store) DeleteVenue(ctx context.Context, id int64) error {
	// Not in a transaction: after a refusal the shows are read.
	return s.withConn(ctx, longFactor*s.options.QueryTimeout, func(ctx context.Context, q *pgxpool.Conn) error {
		tag, err := q.Exec(ctx, `
			DELETE FROM venues
			WHERE venue_id = $1`, id)
		switch {
		case violated(err) == "shows_venue_fkey", violated(err) == "show_seats_seat_fkey":
			return showsInTheWay(ctx, q, domain.ErrVenueHasShows.WithCause(err), `
				SELECT show_id, deleted_at IS NOT NULL
				FROM shows
				WHERE venue_id = $1
				ORDER BY deleted_at IS NOT NULL, show_id
				LIMIT $2`, id)
		case violated(err) == "booking_seats_seat_fkey": // by a show that has moved to another venue
			return domain.ErrVenueHasShows.WithMessage("The venue has seats that were booked for a show").WithCause(err)
		case err != nil:
			return err
		case tag.RowsAffected() == 0:
			return domain.ErrVenueNotFound
		}
		return nil
	})
}
