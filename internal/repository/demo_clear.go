package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"evently/internal/service"
)

// RemoveDemoShows removes the demo user's bookings of demo shows and then every demo show without
// bookings. It retires the others: they stay as they are, under another key. It returns the numbers
// of bookings and shows that it removed and of shows that it retired.
//
// Locks are taken in the order of all booking transactions: shows, bookings, seats.
func (s *Store) RemoveDemoShows(ctx context.Context) (bookings, removed, retired int, err error) {
	err = s.withinTx(ctx, func(ctx context.Context, q querier) error {
		bookings, removed, retired = 0, 0, 0
		var batch pgx.Batch
		batch.Queue(`
			SELECT show_id
			FROM shows
			WHERE show_id IN (SELECT show_id FROM demo_rows)
			ORDER BY show_id
			FOR UPDATE`)
		batch.Queue(`
			SELECT booking_id
			FROM bookings
			WHERE `+ofDemoUser+`
			ORDER BY booking_id
			FOR UPDATE`, demoUserKey)
		batch.Queue(`
			WITH held AS MATERIALIZED (
				SELECT show_seats.show_id, show_seats.seat_id
				FROM bookings
				JOIN show_seats ON show_seats.show_id = bookings.show_id AND show_seats.booking_id = bookings.booking_id
				WHERE `+ofDemoUser+`
				ORDER BY show_seats.show_id, show_seats.seat_id
				FOR UPDATE OF show_seats
			)
			UPDATE show_seats
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM held
			WHERE show_seats.show_id = held.show_id AND show_seats.seat_id = held.seat_id`, demoUserKey)
		batch.Queue(`
			DELETE FROM bookings
			WHERE `+ofDemoUser, demoUserKey).
			Exec(countInto(&bookings))
		batch.Queue(`
			DELETE FROM shows
			WHERE show_id IN (SELECT show_id FROM demo_rows)
			  AND NOT EXISTS (SELECT FROM bookings WHERE bookings.show_id = shows.show_id)`).
			Exec(countInto(&removed))
		batch.Queue(`
			UPDATE demo_rows
			SET demo_key = $1::text || show_id::text
			WHERE show_id IS NOT NULL AND NOT starts_with(demo_key, $1)`, retiredPrefix).
			Exec(countInto(&retired))
		return q.SendBatch(ctx, &batch).Close()
	})
	return bookings, removed, retired, err
}

// ofDemoUser is true for a booking of a demo show by the demo user, whose key is $1.
const ofDemoUser = `
	bookings.user_id = (SELECT user_id FROM demo_rows WHERE demo_key = $1)
	AND bookings.show_id IN (SELECT show_id FROM demo_rows)`

// RemoveDemoCatalog removes the venues, events and user of the demo data that nothing refers to and
// returns their numbers. The caller has called LockDemo.
func (s *Store) RemoveDemoCatalog(ctx context.Context) (venues, events, users int, err error) {
	err = s.withinTx(ctx, func(ctx context.Context, q querier) error {
		venues, events, users = 0, 0, 0
		var batch pgx.Batch
		// A booking may have seats of a venue that its show has left since.
		batch.Queue(`
			DELETE FROM venues
			WHERE venue_id IN (SELECT venue_id FROM demo_rows)
			  AND NOT EXISTS (SELECT FROM shows WHERE shows.venue_id = venues.venue_id)
			  AND NOT EXISTS (
			      SELECT
			      FROM seats
			      JOIN booking_seats USING (seat_id)
			      WHERE seats.venue_id = venues.venue_id
			  )`).Exec(countInto(&venues))
		batch.Queue(`
			DELETE FROM events
			WHERE event_id IN (SELECT event_id FROM demo_rows)
			  AND NOT EXISTS (SELECT FROM shows WHERE shows.event_id = events.event_id)`).
			Exec(countInto(&events))
		// Once locked, the user makes no booking that the next statement would not see.
		batch.Queue(`SELECT user_id FROM users WHERE user_id IN (SELECT user_id FROM demo_rows) FOR UPDATE`)
		batch.Queue(`
			DELETE FROM users
			WHERE user_id IN (SELECT user_id FROM demo_rows)
			  AND NOT EXISTS (SELECT FROM bookings WHERE bookings.user_id = users.user_id)`).
			Exec(countInto(&users))
		return q.SendBatch(ctx, &batch).Close()
	})
	return venues, events, users, err
}

// KeptDemoRows returns the rows of the demo data, each with the numbers of shows and bookings that
// refer to it.
func (s *Store) KeptDemoRows(ctx context.Context) (kept []service.DemoKept, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			SELECT 'show', show_id, title || ' at ' || venue_name, 0,
			       (SELECT count(*) FROM bookings WHERE bookings.show_id = shows.show_id)
			FROM shows
			JOIN events USING (event_id)
			JOIN venues USING (venue_id)
			WHERE show_id IN (SELECT show_id FROM demo_rows)
			UNION ALL
			SELECT 'venue', venue_id, venue_name,
			       (SELECT count(*) FROM shows WHERE shows.venue_id = venues.venue_id),
			       (SELECT count(DISTINCT booking_id)
			        FROM seats
			        JOIN booking_seats USING (seat_id)
			        WHERE seats.venue_id = venues.venue_id)
			FROM venues
			WHERE venue_id IN (SELECT venue_id FROM demo_rows)
			UNION ALL
			SELECT 'event', event_id, title,
			       (SELECT count(*) FROM shows WHERE shows.event_id = events.event_id), 0
			FROM events
			WHERE event_id IN (SELECT event_id FROM demo_rows)
			UNION ALL
			SELECT 'user', user_id, email, 0,
			       (SELECT count(*) FROM bookings WHERE bookings.user_id = users.user_id)
			FROM users
			WHERE user_id IN (SELECT user_id FROM demo_rows)
			LIMIT $1`, maxKept)
		if err != nil {
			return err
		}
		kept, err = pgx.CollectRows(rows, pgx.RowToStructByPos[service.DemoKept])
		return err
	})
	return kept, err
}

// maxKept bounds the rows that KeptDemoRows returns.
const maxKept = 1000

// countInto stores the number of rows that a queued statement changed.
func countInto(n *int) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		*n = int(tag.RowsAffected())
		return nil
	}
}
