package repository

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"evently/internal/service"
)

// RemoveDemoShows removes the demo user's bookings of demo shows and then every demo show that
// nobody else has booked. The others are retired: kept as they are, under another key. It gives
// the numbers of bookings and shows removed and of shows retired by this call.
//
// Rows are locked in the order of bookings: show, bookings, seats. From the first statement on
// nobody can book these shows, so what the later ones find stays true.
func (s *Store) RemoveDemoShows(ctx context.Context) (bookings, removed, retired int, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		bookings, removed, retired = 0, 0, 0
		var batch pgx.Batch
		batch.Queue(`
			SELECT show_id
			FROM shows
			WHERE demo_key IS NOT NULL
			ORDER BY show_id
			FOR UPDATE`)
		batch.Queue(`
			SELECT booking_id
			FROM bookings
			WHERE user_id = (SELECT user_id FROM users WHERE demo_key = $1)
			  AND show_id IN (SELECT show_id FROM shows WHERE demo_key IS NOT NULL)
			ORDER BY booking_id
			FOR UPDATE`, demoUserKey)
		batch.Queue(`
			WITH held AS MATERIALIZED (
				SELECT ss.show_id, ss.seat_id
				FROM bookings b
				JOIN show_seats ss ON ss.show_id = b.show_id AND ss.booking_id = b.booking_id
				WHERE b.user_id = (SELECT user_id FROM users WHERE demo_key = $1)
				  AND b.show_id IN (SELECT show_id FROM shows WHERE demo_key IS NOT NULL)
				ORDER BY ss.show_id, ss.seat_id
				FOR UPDATE OF ss
			)
			UPDATE show_seats ss
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM held
			WHERE ss.show_id = held.show_id AND ss.seat_id = held.seat_id`, demoUserKey)
		batch.Queue(`
			DELETE FROM bookings
			WHERE user_id = (SELECT user_id FROM users WHERE demo_key = $1)
			  AND show_id IN (SELECT show_id FROM shows WHERE demo_key IS NOT NULL)`, demoUserKey).
			Exec(countInto(&bookings))
		batch.Queue(`
			DELETE FROM shows s
			WHERE s.demo_key IS NOT NULL
			  AND NOT EXISTS (SELECT FROM bookings b WHERE b.show_id = s.show_id)`).
			Exec(countInto(&removed))
		batch.Queue(`
			UPDATE shows
			SET demo_key = $1
			WHERE demo_key IS NOT NULL AND demo_key <> $1`, retiredShowKey).
			Exec(countInto(&retired))
		return q.SendBatch(ctx, &batch).Close()
	})
	return bookings, removed, retired, err
}

// RemoveDemoCatalog removes the venues, events and user of the demo data that nothing uses, and
// gives their numbers. LockDemo keeps new shows from coming to use them meanwhile.
func (s *Store) RemoveDemoCatalog(ctx context.Context) (venues, events, users int, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		venues, events, users = 0, 0, 0
		var batch pgx.Batch
		// A booking may name seats of a venue that its show has left since.
		batch.Queue(`
			DELETE FROM venues v
			WHERE v.demo_key IS NOT NULL
			  AND NOT EXISTS (SELECT FROM shows s WHERE s.venue_id = v.venue_id)
			  AND NOT EXISTS (
			      SELECT
			      FROM seats
			      JOIN booking_seats bs ON bs.seat_id = seats.seat_id
			      WHERE seats.venue_id = v.venue_id
			  )`).Exec(countInto(&venues))
		batch.Queue(`
			DELETE FROM events e
			WHERE e.demo_key IS NOT NULL
			  AND NOT EXISTS (SELECT FROM shows s WHERE s.event_id = e.event_id)`).
			Exec(countInto(&events))
		// The lock makes the demo user's bookings under way visible to the statement behind it.
		batch.Queue(`SELECT user_id FROM users WHERE demo_key IS NOT NULL FOR UPDATE`)
		batch.Queue(`
			DELETE FROM users u
			WHERE u.demo_key IS NOT NULL
			  AND NOT EXISTS (SELECT FROM bookings b WHERE b.user_id = u.user_id)`).
			Exec(countInto(&users))
		return q.SendBatch(ctx, &batch).Close()
	})
	return venues, events, users, err
}

// KeptDemoRows gives what is there of the demo data, with the numbers of shows and bookings
// that use each row.
func (s *Store) KeptDemoRows(ctx context.Context) (kept []service.DemoKept, err error) {
	err = s.run(ctx, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, `
			SELECT 'show', s.show_id, e.title || ' at ' || v.venue_name, 0,
			       (SELECT count(*) FROM bookings b WHERE b.show_id = s.show_id)
			FROM shows s
			JOIN events e ON e.event_id = s.event_id
			JOIN venues v ON v.venue_id = s.venue_id
			WHERE s.demo_key IS NOT NULL
			UNION ALL
			SELECT 'venue', v.venue_id, v.venue_name,
			       (SELECT count(*) FROM shows s WHERE s.venue_id = v.venue_id),
			       (SELECT count(DISTINCT bs.booking_id)
			        FROM seats
			        JOIN booking_seats bs ON bs.seat_id = seats.seat_id
			        WHERE seats.venue_id = v.venue_id)
			FROM venues v
			WHERE v.demo_key IS NOT NULL
			UNION ALL
			SELECT 'event', e.event_id, e.title,
			       (SELECT count(*) FROM shows s WHERE s.event_id = e.event_id), 0
			FROM events e
			WHERE e.demo_key IS NOT NULL
			UNION ALL
			SELECT 'user', u.user_id, u.email, 0,
			       (SELECT count(*) FROM bookings b WHERE b.user_id = u.user_id)
			FROM users u
			WHERE u.demo_key IS NOT NULL`)
		if err != nil {
			return err
		}
		kept, err = pgx.CollectRows(rows, pgx.RowToStructByPos[service.DemoKept])
		return err
	})
	return kept, err
}

// countInto stores the number of rows that a queued statement changed.
func countInto(n *int) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		*n = int(tag.RowsAffected())
		return nil
	}
}
