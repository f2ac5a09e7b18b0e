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
				SELECT s.show_id, s.event_id, s.venue_id, s.start_time, s.end_time, s.price,
				       s.created_at, s.total_seats, e.title, v.venue_name, v.address
				FROM shows s
				JOIN events e ON e.event_id = s.event_id
				JOIN venues v ON v.venue_id = s.venue_id
				WHERE s.deleted_at IS NULL
				  AND s.start_time > coalesce($1::timestamptz - interval '1 microsecond', now())
				  AND (s.start_time, s.show_id) > ($2::timestamptz, $3::bigint)
				  AND s.start_time <= $4::timestamptz
				  AND ($5::text = '' OR position(
				      upper($5 COLLATE "und-x-icu") IN upper(v.venue_name COLLATE "und-x-icu")) > 0)
				  AND ($6::text = '' OR position(
				      upper($6 COLLATE "und-x-icu") IN upper(e.title COLLATE "und-x-icu")) > 0)
				  AND (NOT $7::boolean OR s.total_seats > (
				      SELECT coalesce(sum(b.seat_count), 0)
				      FROM bookings b
				      WHERE b.show_id = s.show_id
				        AND (b.status = 'CONFIRMED' OR (b.status = 'PENDING' AND b.expires_at > now()))
				  ))
				ORDER BY s.start_time, s.show_id
				LIMIT $8
			)
			SELECT page.show_id, page.event_id, page.venue_id, page.start_time, page.end_time, page.price,
			       page.created_at, page.event_id, page.title, page.venue_id, page.venue_name, page.address,
			       page.total_seats, page.total_seats - taken.seats
			FROM page
			CROSS JOIN LATERAL (
				SELECT coalesce(sum(b.seat_count), 0)::int AS seats
				FROM bookings b
				WHERE b.show_id = page.show_id
				  AND (b.status = 'CONFIRMED' OR (b.status = 'PENDING' AND b.expires_at > now()))
			) taken
			ORDER BY page.start_time, page.show_id`,
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
			SELECT s.show_id, s.event_id, s.venue_id, s.start_time, s.end_time, s.price,
			       s.created_at, e.event_id, e.title, v.venue_id, v.venue_name, v.address,
			       s.total_seats, s.total_seats - taken.seats
			FROM shows s
			JOIN events e ON e.event_id = s.event_id
			JOIN venues v ON v.venue_id = s.venue_id
			CROSS JOIN LATERAL (
				SELECT coalesce(sum(b.seat_count), 0)::int AS seats
				FROM bookings b
				WHERE b.show_id = s.show_id
				  AND (b.status = 'CONFIRMED' OR (b.status = 'PENDING' AND b.expires_at > now()))
			) taken
			WHERE s.show_id = $1 AND s.deleted_at IS NULL`, showID).
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
