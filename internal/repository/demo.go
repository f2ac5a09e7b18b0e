package repository

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"evently/internal/domain"
	"evently/internal/service"
)

// The table demo_rows names the rows of the demo data by keys, which must not change. A show that was
// replaced, and is kept for its bookings, has the key retired-N.
var (
	demoVenues = []struct {
		key, name, address string
		rows, seatsPerRow  int
	}{
		{"grand-cinema-hall", "Grand Cinema Hall", "12 Station Road", 3, 5},
		{"cityplex-theater", "Cityplex Theater", "4 Market Square", 2, 10},
		{"riverside-arena", "Riverside Arena", "1 Riverside Walk", 40, 50},
	}
	demoEvents = []struct{ key, title string }{
		{"galactic-odyssey", "Galactic Odyssey"},
		{"echoes-of-time", "Echoes of Time"},
		{"midnight-serenade", "Midnight Serenade"},
	}
)

const demoShows = 5

const (
	// The start of a show is counted from today's midnight in UTC.
	demoPlan = `
		WITH plan AS (
			SELECT entry.demo_key, event.event_id, venue.venue_id, price, start
			FROM (VALUES
			        ('show-1', 'galactic-odyssey', 'grand-cinema-hall', 450, interval '2 days 19 hours'),
			        ('show-2', 'echoes-of-time', 'grand-cinema-hall', 400, '3 days 15 hours'),
			        ('show-3', 'midnight-serenade', 'cityplex-theater', 380, '4 days 21 hours'),
			        ('show-4', 'galactic-odyssey', 'cityplex-theater', 350, '5 days 19 hours'),
			        ('show-5', 'echoes-of-time', 'riverside-arena', 95, '7 days 19 hours')
			     ) AS entry (demo_key, event_key, venue_key, price, start)
			JOIN demo_rows AS event ON event.demo_key = event_key
			JOIN demo_rows AS venue ON venue.demo_key = venue_key
		)`

	saveDemoVenue = `
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
		)
		INSERT INTO demo_rows (demo_key, venue_id)
		SELECT $1, venue_id
		FROM added`

	// Rows are named A to Z, then AA to AZ.
	saveDemoSeats = `
		INSERT INTO seats (venue_id, seat_row, seat_number)
		SELECT venue_id, concat(CASE WHEN place >= 26 THEN 'A' END, chr(ascii('A') + place % 26)), number
		FROM demo_rows
		CROSS JOIN generate_series(0, $2::int - 1) AS place
		CROSS JOIN generate_series(1, $3::int) AS number
		WHERE demo_key = $1
		ORDER BY place, number
		ON CONFLICT ON CONSTRAINT seats_venue_row_number_key DO NOTHING`

	saveDemoEvent = `
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
		)
		INSERT INTO demo_rows (demo_key, event_id)
		SELECT $1, event_id
		FROM added`

	saveDemoUser = `
		WITH added AS (
			INSERT INTO users (email, email_key, password_hash)
			VALUES ($1, $2, $3)
			ON CONFLICT DO NOTHING
			RETURNING user_id
		)
		INSERT INTO demo_rows (demo_key, user_id)
		SELECT 'demo-user', user_id
		FROM added`

	// Shows that have begun, or differ from the plan, are not among them.
	selectDemoShows = demoPlan + `
		SELECT shows.show_id, title, venue_name, start_time, shows.price, total_seats
		FROM plan
		JOIN demo_rows USING (demo_key)
		JOIN shows ON (shows.show_id, shows.event_id, shows.venue_id, shows.price)
		            = (demo_rows.show_id, plan.event_id, plan.venue_id, plan.price)
		JOIN events ON events.event_id = plan.event_id
		JOIN venues ON venues.venue_id = plan.venue_id
		WHERE deleted_at IS NULL
		  AND start_time > now()
		  AND total_seats = (SELECT count(*) FROM seats WHERE seats.venue_id = shows.venue_id)
		ORDER BY plan.demo_key`

	// All shows are put off, by up to 60 days, until their venues are free.
	addDemoShows = demoPlan + `, slots AS (
			SELECT demo_key, event_id, venue_id, price, delay, start_time, start_time + interval '150 minutes' AS end_time
			FROM plan
			CROSS JOIN generate_series(0, 60) AS delay
			CROSS JOIN LATERAL (
				SELECT date_trunc('day', now(), 'UTC') + start + delay * interval '1 day' AS start_time
			) AS slot
		), chosen AS (
			SELECT *
			FROM slots
			WHERE delay = (SELECT min(delay) FROM slots WHERE delay NOT IN (
			        SELECT delay
			        FROM slots
			        JOIN shows USING (venue_id)
			        WHERE deleted_at IS NULL
			          AND tstzrange(shows.start_time, shows.end_time) && tstzrange(slots.start_time, slots.end_time)
			      ))
		), added AS (
			INSERT INTO shows (event_id, venue_id, start_time, end_time, price)
			SELECT event_id, venue_id, start_time, end_time, price
			FROM chosen
			ORDER BY start_time
			RETURNING show_id, venue_id, start_time
		)
		INSERT INTO demo_rows (demo_key, show_id)
		SELECT demo_key, show_id
		FROM added
		JOIN chosen USING (venue_id, start_time)
		RETURNING show_id`

	deleteDemoBookings = `
		WITH mine AS MATERIALIZED (
			SELECT booking_id, show_id
			FROM bookings
			WHERE user_id = (SELECT user_id FROM demo_rows WHERE demo_key = 'demo-user')
			  AND show_id IN (SELECT show_id FROM demo_rows)
			ORDER BY booking_id
			FOR UPDATE
		), freed AS (
			UPDATE show_seats
			SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			FROM mine
			WHERE show_seats.show_id = mine.show_id AND show_seats.booking_id = mine.booking_id
		)
		DELETE FROM bookings
		USING mine
		WHERE bookings.booking_id = mine.booking_id`

	deleteDemoShows = `
		DELETE FROM shows
		WHERE show_id IN (SELECT show_id FROM demo_rows)
		  AND NOT EXISTS (SELECT FROM bookings WHERE bookings.show_id = shows.show_id)`

	retireDemoShows = `
		UPDATE demo_rows
		SET demo_key = 'retired-' || show_id
		WHERE show_id IS NOT NULL AND NOT starts_with(demo_key, 'retired-')`

	// A booking may have seats of a venue that its show has left since.
	deleteDemoVenues = `
		DELETE FROM venues
		WHERE venue_id IN (SELECT venue_id FROM demo_rows)
		  AND NOT EXISTS (SELECT FROM shows WHERE shows.venue_id = venues.venue_id)
		  AND NOT EXISTS (
		        SELECT
		        FROM seats
		        JOIN booking_seats USING (seat_id)
		        WHERE seats.venue_id = venues.venue_id
		      )`

	deleteDemoEvents = `
		DELETE FROM events
		WHERE event_id IN (SELECT event_id FROM demo_rows)
		  AND NOT EXISTS (SELECT FROM shows WHERE shows.event_id = events.event_id)`

	deleteDemoUser = `
		DELETE FROM users
		WHERE user_id IN (SELECT user_id FROM demo_rows)
		  AND NOT EXISTS (SELECT FROM bookings WHERE bookings.user_id = users.user_id)`

	keptDemoRows = `
		SELECT format('show %s (%s at %s): used by %s booking(s)', show_id, title, venue_name,
		              (SELECT count(*) FROM bookings WHERE bookings.show_id = shows.show_id))
		FROM demo_rows
		JOIN shows USING (show_id)
		JOIN events ON events.event_id = shows.event_id
		JOIN venues ON venues.venue_id = shows.venue_id
		UNION ALL
		SELECT format('venue %s (%s): used by %s show(s)', venue_id, venue_name,
		              (SELECT count(*) FROM shows WHERE shows.venue_id = venues.venue_id))
		FROM demo_rows
		JOIN venues USING (venue_id)
		UNION ALL
		SELECT format('event %s (%s): used by %s show(s)', event_id, title,
		              (SELECT count(*) FROM shows WHERE shows.event_id = events.event_id))
		FROM demo_rows
		JOIN events USING (event_id)
		UNION ALL
		SELECT format('user %s (%s): used by %s booking(s)', user_id, email,
		              (SELECT count(*) FROM bookings WHERE bookings.user_id = users.user_id))
		FROM demo_rows
		JOIN users USING (user_id)
		LIMIT 1000`
)

func (s *Store) LoadDemo(ctx context.Context, email, passwordHash string) (loaded service.DemoLoaded, err error) {
	err = s.withinTx(ctx, func(ctx context.Context, q querier) (err error) {
		loaded = service.DemoLoaded{} // the transaction may run again
		batch := lockDemo()
		for _, v := range demoVenues {
			batch.Queue(saveDemoVenue, v.key, v.name, domain.Fold(v.name), v.address).Exec(addTo(&loaded.VenuesAdded))
			batch.Queue(saveDemoSeats, v.key, v.rows, v.seatsPerRow).Exec(addTo(&loaded.SeatsAdded))
		}
		for _, e := range demoEvents {
			batch.Queue(saveDemoEvent, e.key, e.title, domain.Fold(e.title)).Exec(addTo(&loaded.EventsAdded))
		}
		batch.Queue(saveDemoUser, email, domain.EmailKey(email), passwordHash).Exec(func(tag pgconn.CommandTag) error {
			loaded.UserAdded = tag.RowsAffected() == 1
			return nil
		})
		batch.Queue(`SELECT NOT EXISTS (SELECT FROM demo_rows WHERE demo_key = 'demo-user')`).
			QueryRow(func(row pgx.Row) error { return row.Scan(&loaded.EmailTaken) })
		if err := q.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		if loaded.Shows, err = readDemoShows(ctx, q); err != nil || asPlanned(loaded.Shows) {
			return err
		}
		batch = &pgx.Batch{}
		removeDemoShows(batch, new(int), &loaded.ShowsRemoved, &loaded.ShowsRetired)
		if err := q.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		rows, err := q.Query(ctx, addDemoShows)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			return domain.ErrVenueBusy
		}
		loaded.ShowsAdded = len(ids)
		if err := fillShows(ctx, q, 0, ids...); err != nil {
			return err
		}
		loaded.Shows, err = readDemoShows(ctx, q)
		return err
	})
	return loaded, err
}

func (s *Store) ClearDemo(ctx context.Context) (cleared service.DemoCleared, err error) {
	err = s.withinTx(ctx, func(ctx context.Context, q querier) error {
		cleared = service.DemoCleared{} // the transaction may run again
		batch := lockDemo()
		removeDemoShows(batch, &cleared.Bookings, &cleared.Shows, new(int))
		batch.Queue(deleteDemoVenues).Exec(addTo(&cleared.Venues))
		batch.Queue(deleteDemoEvents).Exec(addTo(&cleared.Events))
		// Once locked, the user makes no booking that the next statement would not see.
		batch.Queue(`SELECT FROM users WHERE user_id IN (SELECT user_id FROM demo_rows) FOR UPDATE`)
		batch.Queue(deleteDemoUser).Exec(addTo(&cleared.Users))
		collect(batch, &cleared.Kept, pgx.RowTo[string], keptDemoRows)
		return q.SendBatch(ctx, batch).Close()
	})
	return cleared, err
}

// lockDemo returns a batch that makes other loads and clears wait until this transaction ends, and new
// shows of a demo event or venue too: their foreign keys share these locks.
func lockDemo() *pgx.Batch {
	batch := &pgx.Batch{}
	batch.Queue(`SELECT pg_advisory_xact_lock(hashtextextended('evently demo data', 0))`)
	batch.Queue(`SELECT FROM events WHERE event_id IN (SELECT event_id FROM demo_rows) ORDER BY event_id FOR UPDATE`)
	batch.Queue(`SELECT FROM venues WHERE venue_id IN (SELECT venue_id FROM demo_rows) ORDER BY venue_id FOR UPDATE`)
	return batch
}

// removeDemoShows queues the removal of the demo user's bookings of demo shows and then of every demo
// show without bookings. The others are retired. Locks are taken in the order of all booking
// transactions: shows, bookings, seats.
func removeDemoShows(batch *pgx.Batch, bookings, removed, retired *int) {
	batch.Queue(`
		SELECT pg_advisory_xact_lock(` + showKey + `)
		FROM (SELECT show_id FROM demo_rows WHERE show_id IS NOT NULL ORDER BY show_id) AS demo`)
	batch.Queue(`SELECT FROM shows WHERE show_id IN (SELECT show_id FROM demo_rows) ORDER BY show_id FOR UPDATE`)
	batch.Queue(deleteDemoBookings).Exec(addTo(bookings))
	batch.Queue(deleteDemoShows).Exec(addTo(removed))
	batch.Queue(retireDemoShows).Exec(addTo(retired))
}

func asPlanned(shows []service.DemoShow) bool {
	return len(shows) == demoShows && slices.IsSortedFunc(shows, func(a, b service.DemoShow) int {
		return a.StartTime.Compare(b.StartTime)
	})
}

func readDemoShows(ctx context.Context, q querier) ([]service.DemoShow, error) {
	rows, err := q.Query(ctx, selectDemoShows)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (show service.DemoShow, err error) {
		err = row.Scan(&show.ShowID, &show.Title, &show.VenueName, &show.StartTime, (*numeric)(&show.Price), &show.TotalSeats)
		return show, err
	})
}

func addTo(n *int) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		*n += int(tag.RowsAffected())
		return nil
	}
}
