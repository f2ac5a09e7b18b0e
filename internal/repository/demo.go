package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"evently/internal/domain"
	"evently/internal/service"
)

// Demo rows are those with a demo_key, and no statement here writes to another. Two keys are
// fixed: that of the demo user, and that of shows which are only kept for their bookings.
// The xmax of a row that a statement inserted is 0; that of one it updated is not.
const (
	demoUserKey    = "demo-user"
	retiredShowKey = "retired"
)

// demoShowLength is how long each demo show lasts.
const demoShowLength = 150 * time.Minute

// LockDemo makes other loads and clears wait until this transaction ends, and whoever would use
// a demo venue or event for a new show as well.
func (s *Store) LockDemo(ctx context.Context) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		var batch pgx.Batch
		batch.Queue(`SELECT pg_advisory_xact_lock(hashtextextended('evently demo data', 0))`)
		// A new show takes a share of these two locks by its foreign keys.
		batch.Queue(`SELECT event_id FROM events WHERE demo_key IS NOT NULL ORDER BY event_id FOR UPDATE`)
		batch.Queue(`SELECT venue_id FROM venues WHERE demo_key IS NOT NULL ORDER BY venue_id FOR UPDATE`)
		return q.SendBatch(ctx, &batch).Close()
	})
}

// HasDemoUser reports whether the demo user is there.
func (s *Store) HasDemoUser(ctx context.Context) (exists bool, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM users WHERE demo_key = $1)`, demoUserKey).Scan(&exists)
	})
	return exists, err
}

// SaveDemoUser adds the demo user unless they are there or a real user has the address.
func (s *Store) SaveDemoUser(ctx context.Context, email, passwordHash string) (added bool, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, `
			INSERT INTO users (email, email_key, password_hash, demo_key)
			VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`, email, domain.EmailKey(email), passwordHash, demoUserKey)
		added = tag.RowsAffected() == 1
		return err
	})
	return added, err
}

// SaveDemoVenue adds what is missing of a venue and its seats, and restores its name. It gives
// the numbers of venues and seats added.
func (s *Store) SaveDemoVenue(ctx context.Context, venue service.DemoVenue) (venues, seats int, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		var id int64
		err := q.QueryRow(ctx, `
			INSERT INTO venues (venue_name, address, demo_key)
			VALUES ($1, $2, $3)
			ON CONFLICT ON CONSTRAINT venues_demo_key_key
			DO UPDATE SET venue_name = EXCLUDED.venue_name, address = EXCLUDED.address
			RETURNING venue_id, (xmax = 0)::int`, venue.Name, venue.Address, venue.Key).Scan(&id, &venues)
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

// SaveDemoEvent adds an event if it is missing, and restores its title. It gives the number of
// events added.
func (s *Store) SaveDemoEvent(ctx context.Context, event service.DemoEvent) (events int, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, `
			INSERT INTO events (title, demo_key)
			VALUES ($1, $2)
			ON CONFLICT ON CONSTRAINT events_demo_key_key
			DO UPDATE SET title = EXCLUDED.title
			RETURNING (xmax = 0)::int`, event.Title, event.Key).Scan(&events)
	})
	return events, err
}

// DemoShows gives the visible shows that were loaded last, soonest first.
func (s *Store) DemoShows(ctx context.Context) (shows []service.LoadedDemoShow, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			SELECT s.show_id, s.demo_key, coalesce(e.demo_key, ''), coalesce(v.demo_key, ''),
			       e.title, v.venue_name, s.start_time, s.price, s.total_seats, s.start_time > now(),
			       s.total_seats = (SELECT count(*) FROM seats WHERE seats.venue_id = s.venue_id)
			FROM shows s
			JOIN events e ON e.event_id = s.event_id
			JOIN venues v ON v.venue_id = s.venue_id
			WHERE s.demo_key IS NOT NULL
			  AND s.demo_key <> $1
			  AND s.deleted_at IS NULL
			ORDER BY s.start_time, s.show_id`, retiredShowKey)
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

// AddDemoShow adds a show with every seat of its venue on the first day from show.Day on that is
// behind after and on which the venue is free, and gives its start. It is domain.ErrVenueBusy
// when there is no such day within two months.
func (s *Store) AddDemoShow(ctx context.Context, show service.DemoShow, after time.Time) (start time.Time, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `
			WITH place AS (
				SELECT v.venue_id, e.event_id
				FROM venues v, events e
				WHERE v.demo_key = $1 AND e.demo_key = $2
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
				      FROM shows s
				      WHERE s.venue_id = place.venue_id
				        AND s.deleted_at IS NULL
				        AND tstzrange(s.start_time, s.end_time) && tstzrange(slot.start_time, slot.start_time + $7::interval)
				  )
				ORDER BY slot.start_time
				LIMIT 1
			), added AS (
				INSERT INTO shows (event_id, venue_id, start_time, end_time, price, demo_key, total_seats)
				SELECT free.event_id, free.venue_id, free.start_time, free.end_time, $8, $3,
				       (SELECT count(*) FROM seats WHERE seats.venue_id = free.venue_id)
				FROM free
				RETURNING show_id, venue_id, start_time
			), filled AS (
				INSERT INTO show_seats (show_id, seat_id)
				SELECT added.show_id, seats.seat_id
				FROM added
				JOIN seats ON seats.venue_id = added.venue_id
			)
			SELECT start_time FROM added`,
			show.VenueKey, show.EventKey, show.Key, show.Day, interval(show.TimeOfDay), after,
			interval(demoShowLength), numeric(show.Price)).Scan(&start)
		err = notFound(err, domain.ErrVenueBusy)
		return onConstraint(err, map[string]*domain.Error{"shows_venue_busy": domain.ErrVenueBusy})
	})
	return start, err
}

// interval is a length of time as PostgreSQL's interval.
func interval(d time.Duration) pgtype.Interval {
	return pgtype.Interval{Microseconds: d.Microseconds(), Valid: true}
}
