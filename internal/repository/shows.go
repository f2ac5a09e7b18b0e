package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
)

// Shows gives up to limit visible shows that pass the filter and stand behind after (nil is the
// head of the list), soonest first, and whether there are more. Without filter.From it starts
// at the database's now().
//
// The page is cut before seats are counted, so the counting is over the page's shows and not
// over all. Names are compared in upper case by ICU's rules, whatever the database's locale:
// that is a substring test, in which no character has a meaning of its own.
func (s *Store) Shows(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error) {
	start := pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	id := int64(0)
	if after != nil {
		start, id = pgtype.Timestamptz{Time: after.StartTime, Valid: true}, after.ShowID
	}
	until := pgtype.Timestamptz{InfinityModifier: pgtype.Infinity, Valid: true}
	if filter.Until != nil {
		until = pgtype.Timestamptz{Time: *filter.Until, Valid: true}
	}
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			WITH page AS MATERIALIZED (
				SELECT show_id, event_id, venue_id, start_time, end_time, price,
				       shows.created_at, total_seats, title, venue_name, address
				FROM shows
				JOIN events USING (event_id)
				JOIN venues USING (venue_id)
				WHERE deleted_at IS NULL
				  AND start_time > coalesce($1::timestamptz - interval '1 microsecond', now())
				  AND (start_time, show_id) > ($2::timestamptz, $3::bigint)
				  AND start_time <= $4::timestamptz
				  AND ($5::text = '' OR position(
				      upper($5 COLLATE "und-x-icu") IN upper(venue_name COLLATE "und-x-icu")) > 0)
				  AND ($6::text = '' OR position(
				      upper($6 COLLATE "und-x-icu") IN upper(title COLLATE "und-x-icu")) > 0)
				  AND (NOT $7::boolean OR total_seats > `+takenSeats+`)
				ORDER BY start_time, show_id
				LIMIT $8
			)
			SELECT show_id, event_id, venue_id, start_time, end_time, price,
			       created_at, event_id, title, venue_id, venue_name, address,
			       total_seats, total_seats - `+takenSeats+`
			FROM page AS shows
			ORDER BY start_time, show_id`,
			filter.From, start, id, until, filter.Venue, filter.Event, filter.AvailableOnly, limit+1)
		if err != nil {
			return err
		}
		shows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (domain.ShowDetails, error) {
			var show domain.ShowDetails
			err := row.Scan(showDetailsTargets(&show)...)
			return show, err
		})
		return err
	})
	if err != nil {
		return nil, false, err
	}
	if len(shows) > limit {
		return shows[:limit], true, nil
	}
	return shows, false, nil
}

// Show gives a visible show, past or coming, or domain.ErrShowNotFound.
func (s *Store) Show(ctx context.Context, showID int64) (domain.ShowDetails, error) {
	var show domain.ShowDetails
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `
			SELECT show_id, event_id, venue_id, start_time, end_time, price,
			       shows.created_at, event_id, title, venue_id, venue_name, address,
			       total_seats, total_seats - `+takenSeats+`
			FROM shows
			JOIN events USING (event_id)
			JOIN venues USING (venue_id)
			WHERE show_id = $1 AND deleted_at IS NULL`, showID).
			Scan(showDetailsTargets(&show)...)
		return notFound(err, domain.ErrShowNotFound)
	})
	return show, err
}

// showDetailsTargets is where the columns of a show with details go: those of the show, of its
// event and of its venue, then its seats in total and available.
func showDetailsTargets(show *domain.ShowDetails) []any {
	return []any{
		&show.ID, &show.EventID, &show.VenueID, &show.StartTime, &show.EndTime, (*numeric)(&show.Price),
		&show.CreatedAt, &show.Event.ID, &show.Event.Title, &show.Venue.ID, &show.Venue.Name, &show.Venue.Address,
		&show.TotalSeats, &show.AvailableSeats,
	}
}
