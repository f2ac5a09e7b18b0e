package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
	"evently/internal/service"
)

// demo_rows names the rows that the demo data created, and no statement here writes to others.
const (
	demoUserKey = "demo-user"

	// retiredPrefix begins the keys of shows that were replaced and are kept for their bookings.
	retiredPrefix = "retired-"

	demoShowLength = 150 * time.Minute
)

// LockDemo makes other loads and clears, and new shows that use a demo venue or event, wait until
// this transaction ends.
func (s *Store) LockDemo(ctx context.Context) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		var batch pgx.Batch
		batch.Queue(`SELECT pg_advisory_xact_lock(hashtextextended('evently demo data', 0))`)
		// The foreign keys of a new show share these locks.
		batch.Queue(`
			SELECT event_id
			FROM events
			WHERE event_id IN (SELECT event_id FROM demo_rows)
			ORDER BY event_id
			FOR UPDATE`)
		batch.Queue(`
			SELECT venue_id
			FROM venues
			WHERE venue_id IN (SELECT venue_id FROM demo_rows)
			ORDER BY venue_id
			FOR UPDATE`)
		return q.SendBatch(ctx, &batch).Close()
	})
}

// HasDemoUser reports whether there is a demo user.
func (s *Store) HasDemoUser(ctx context.Context) (exists bool, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM demo_rows WHERE demo_key = $1)`, demoUserKey).Scan(&exists)
	})
	return exists, err
}

// SaveDemoUser adds the demo user unless there is one or another user has the address.
func (s *Store) SaveDemoUser(ctx context.Context, email, passwordHash string) (added bool, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, `
			WITH added AS (
				INSERT INTO users (email, email_key, password_hash)
				VALUES ($1, $4, $2)
				ON CONFLICT DO NOTHING
				RETURNING user_id
			)
			INSERT INTO demo_rows (demo_key, user_id)
			SELECT $3, user_id
			FROM added`, email, passwordHash, demoUserKey, domain.EmailKey(email))
		added = tag.RowsAffected() == 1
		return err
	})
	return added, err
}

// SaveDemoVenue adds a venue and seats that are missing, and restores name and address. It returns
// the numbers of venues and seats that it added.
func (s *Store) SaveDemoVenue(ctx context.Context, venue service.DemoVenue) (venues, seats int, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		var id int64
		err := q.QueryRow(ctx, `
			WITH known AS (
				UPDATE venues
				SET venue_name = $2, name_folded = $3, address = $4
				FROM demo_rows
				WHERE demo_key = $1 AND venues.venue_id = demo_rows.venue_id
				RETURNING venues.venue_id
			), added AS (
				INSERT INTO venues (venue_name, name_folded, address)
				SELECT $2, $3, $4
				WHERE NOT EXISTS (SELECT FROM known)
				RETURNING venue_id
			), named AS (
				INSERT INTO demo_rows (demo_key, venue_id)
				SELECT $1, venue_id
				FROM added
			)
			SELECT venue_id, 0 FROM known
			UNION ALL
			SELECT venue_id, 1 FROM added`,
			venue.Key, venue.Name, domain.Fold(venue.Name), venue.Address).Scan(&id, &venues)
		if err != nil {
			return err
		}
		tag, err := q.Exec(ctx, `
			INSERT INTO seats (venue_id, seat_row, seat_number)
			SELECT $1, place.seat_row, number
			FROM unnest($2::text[]) WITH ORDINALITY AS place (seat_row, position)
			CROSS JOIN generate_series(1, $3::int) AS number
			ORDER BY place.position, number
			ON CONFLICT ON CONSTRAINT seats_venue_row_number_key DO NOTHING`, id, venue.Rows, venue.SeatsPerRow)
		seats = int(tag.RowsAffected())
		return err
	})
	return venues, seats, err
}

// SaveDemoEvent adds an event if it is missing, and restores its title. It returns the number of
// events that it added.
func (s *Store) SaveDemoEvent(ctx context.Context, event service.DemoEvent) (events int, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `
			WITH known AS (
				UPDATE events
				SET title = $2, title_folded = $3
				FROM demo_rows
				WHERE demo_key = $1 AND events.event_id = demo_rows.event_id
				RETURNING events.event_id
			), added AS (
				INSERT INTO events (title, title_folded)
				SELECT $2, $3
				WHERE NOT EXISTS (SELECT FROM known)
				RETURNING event_id
			), named AS (
				INSERT INTO demo_rows (demo_key, event_id)
				SELECT $1, event_id
				FROM added
			)
			SELECT count(*)::int
			FROM added`, event.Key, event.Title, domain.Fold(event.Title)).Scan(&events)
	})
	return events, err
}

// DemoShows returns the visible shows of the last load, soonest first.
func (s *Store) DemoShows(ctx context.Context) (shows []service.LoadedDemoShow, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			SELECT show_id, demo_rows.demo_key,
			       coalesce((SELECT demo_key FROM demo_rows WHERE demo_rows.event_id = shows.event_id), ''),
			       coalesce((SELECT demo_key FROM demo_rows WHERE demo_rows.venue_id = shows.venue_id), ''),
			       events.title, venues.venue_name, start_time, price, total_seats, start_time > now(),
			       total_seats = (SELECT count(*) FROM seats WHERE seats.venue_id = shows.venue_id)
			FROM demo_rows
			JOIN shows USING (show_id)
			JOIN events ON events.event_id = shows.event_id
			JOIN venues ON venues.venue_id = shows.venue_id
			WHERE NOT starts_with(demo_rows.demo_key, $1)
			  AND deleted_at IS NULL
			ORDER BY start_time, show_id`, retiredPrefix)
		if err != nil {
			return err
		}
		shows, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (show service.LoadedDemoShow, err error) {
			err = row.Scan(&show.ShowID, &show.Key, &show.EventKey, &show.VenueKey, &show.Title, &show.VenueName,
				&show.StartTime, (*numeric)(&show.Price), &show.TotalSeats, &show.Upcoming, &show.AllSeats)
			return show, err
		})
		return err
	})
	return shows, err
}

// AddDemoShow adds a show with every seat of its venue and returns its start: on the first day from
// show.Day on that is behind after and on which the venue is free. It returns domain.ErrVenueBusy if
// there is none within two months.
func (s *Store) AddDemoShow(ctx context.Context, show service.DemoShow, after time.Time) (start time.Time, err error) {
	err = s.withinTx(ctx, func(ctx context.Context, q querier) error {
		var id int64
		err := q.QueryRow(ctx, `
			WITH place AS (
				SELECT venue.venue_id, event.event_id
				FROM demo_rows venue, demo_rows event
				WHERE venue.demo_key = $1 AND event.demo_key = $2
			), free AS (
				SELECT place.venue_id, place.event_id, slot.start_time, slot.start_time + $7::interval AS end_time
				FROM place
				CROSS JOIN LATERAL (
					SELECT date_trunc('day', now(), 'UTC') + day * interval '24 hours' + $5::interval AS start_time
					FROM generate_series($4::int, $4::int + 60) AS day
				) slot
				WHERE slot.start_time > $6
				  AND NOT EXISTS (
				      SELECT
				      FROM shows
				      WHERE shows.venue_id = place.venue_id
				        AND deleted_at IS NULL
				        AND tstzrange(shows.start_time, shows.end_time) && tstzrange(slot.start_time, slot.start_time + $7::interval)
				  )
				ORDER BY slot.start_time
				LIMIT 1
			), added AS (
				INSERT INTO shows (event_id, venue_id, start_time, end_time, price)
				SELECT event_id, venue_id, start_time, end_time, $8
				FROM free
				RETURNING show_id, start_time
			), named AS (
				INSERT INTO demo_rows (demo_key, show_id)
				SELECT $3, show_id
				FROM added
			)
			SELECT show_id, start_time
			FROM added`,
			show.VenueKey, show.EventKey, show.Key, show.Day, interval(show.TimeOfDay), after,
			interval(demoShowLength), numeric(show.Price)).Scan(&id, &start)
		switch {
		case violates(err, "shows_venue_busy"):
			return domain.ErrVenueBusy.WithCause(err)
		case err != nil:
			return notFound(err, domain.ErrVenueBusy)
		}
		return fillShows(ctx, q, 0, id)
	})
	return start, err
}

// interval converts a duration to PostgreSQL's interval.
func interval(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}
