package repository

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
)

// searchTimeout bounds a search, which may read all shows and which anybody may ask for.
const searchTimeout = time.Second

// Names come first: the seats of a show are counted only when it has the right names.
const showPage = `
	WITH page AS MATERIALIZED (
		SELECT show_id, event_id, venue_id, start_time, end_time, price, created_at, total_seats
		FROM shows
		WHERE deleted_at IS NULL
		  AND start_time > now()
		  AND start_time >= $1::timestamptz
		  AND (start_time, show_id) > ($2::timestamptz, $3::bigint)
		  AND start_time <= $4::timestamptz
		  AND ($5::text = '' OR venue_id IN (SELECT venue_id FROM venues WHERE name_folded LIKE $5))
		  AND ($6::text = '' OR event_id IN (SELECT event_id FROM events WHERE title_folded LIKE $6))
		  AND (NOT $7::boolean OR total_seats > ` + takenSeats + `)
		ORDER BY start_time, show_id
		LIMIT $8
	)
	SELECT show_id, event_id, venue_id, start_time, end_time, price,
	       shows.created_at, event_id, title, venue_id, venue_name, address,
	       total_seats, total_seats - ` + takenSeats + `
	FROM page AS shows
	JOIN events USING (event_id)
	JOIN venues USING (venue_id)
	ORDER BY start_time, show_id`

func (s *Store) Shows(
	ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int,
) (shows []domain.ShowDetails, more bool, err error) {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if filter != (domain.ShowFilter{}) {
		if err := s.beginSearch(ctx); err != nil {
			return nil, false, err
		}
		defer s.searches.Release(1)
		limited, cancel = context.WithTimeout(ctx, searchTimeout)
	}
	defer cancel()
	start, id := timestamp(nil, pgtype.NegativeInfinity), int64(0)
	if after != nil {
		start, id = timestamp(&after.StartTime, 0), after.ShowID
	}
	from := timestamp(filter.From, pgtype.NegativeInfinity)
	until := timestamp(filter.Until, pgtype.Infinity)
	shows, err = list(limited, s, showDetailsRow, showPage,
		from, start, id, until, contains(filter.Venue), contains(filter.Event), filter.AvailableOnly, limit+1)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = domain.ErrOverloaded.WithCause(err) // too slow, but the database is there
	}
	shows, more = page(shows, limit)
	return shows, more, err
}

// beginSearch waits until the search may run, or returns domain.ErrOverloaded.
func (s *Store) beginSearch(ctx context.Context) error {
	waits, cancel := context.WithTimeout(ctx, s.options.AcquireTimeout)
	defer cancel()
	err := s.searches.Acquire(waits, 1)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return domain.ErrOverloaded.WithCause(err)
	}
	return nil
}

var literal = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// contains returns the LIKE pattern of folded texts that contain text, "" for all.
func contains(text string) string {
	if text == "" {
		return ""
	}
	return "%" + literal.Replace(domain.Fold(text)) + "%"
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
