package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
)

func (s *Store) Shows(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	start, id := timestamp(nil, pgtype.NegativeInfinity), int64(0)
	if after != nil {
		start, id = timestamp(&after.StartTime, 0), after.ShowID
	}
	from := timestamp(filter.From, pgtype.NegativeInfinity)
	until := timestamp(filter.Until, pgtype.Infinity)
	shows, err = list(ctx, s, showDetailsRow, `
		WITH page AS MATERIALIZED (
			SELECT show_id, event_id, venue_id, start_time, end_time, price,
			       shows.created_at, total_seats, title, venue_name, address
			FROM shows
			JOIN events USING (event_id)
			JOIN venues USING (venue_id)
			WHERE deleted_at IS NULL
			  AND start_time > now()
			  AND start_time >= $1::timestamptz
			  AND (start_time, show_id) > ($2::timestamptz, $3::bigint)
			  AND start_time <= $4::timestamptz
			  AND ($5::text = '' OR strpos(name_folded, $5) > 0)
			  AND ($6::text = '' OR strpos(title_folded, $6) > 0)
			  AND (NOT $7::boolean OR total_seats > `+takenSeats+`)
			ORDER BY start_time, show_id
			LIMIT $8
		)
		SELECT show_id, event_id, venue_id, start_time, end_time, price,
		       created_at, event_id, title, venue_id, venue_name, address,
		       total_seats, total_seats - `+takenSeats+`
		FROM page AS shows
		ORDER BY start_time, show_id`,
		from, start, id, until, domain.Fold(filter.Venue), domain.Fold(filter.Event), filter.AvailableOnly, limit+1)
	shows, more = page(shows, limit)
	return shows, more, err
}

func (s *Store) Show(ctx context.Context, showID int64) (domain.ShowDetails, error) {
	return one(ctx, s, showDetailsRow, domain.ErrShowNotFound, showDetails+`
		WHERE shows.show_id = $1 AND deleted_at IS NULL`, showID)
}

func showDetailsRow(row pgx.CollectableRow) (show domain.ShowDetails, err error) {
	err = row.Scan(showDetailsTargets(&show)...)
	return show, err
}

func timestamp(t *time.Time, infinity pgtype.InfinityModifier) pgtype.Timestamptz {
	if t == nil {
		return pgtype.Timestamptz{InfinityModifier: infinity, Valid: true}
	}
	return pgtype.Timestamptz{Time: *t, Valid: true}
}

func showDetailsTargets(show *domain.ShowDetails) []any {
	return []any{
		&show.ID, &show.EventID, &show.VenueID, &show.StartTime, &show.EndTime, (*numeric)(&show.Price),
		&show.CreatedAt, &show.Event.ID, &show.Event.Title, &show.Venue.ID, &show.Venue.Name, &show.Venue.Address,
		&show.TotalSeats, &show.AvailableSeats,
	}
}
