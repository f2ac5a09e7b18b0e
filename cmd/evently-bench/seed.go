package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// hall is a venue with its shows. The ids of its seats are consecutive, and those of its shows.
type hall struct {
	venue     int64
	firstShow int64
	shows     int
	firstSeat int64
	seats     int
	event     int64
}

// seatPrice is the price of every seat; the statements below have it as a literal.
const seatPrice = 450

func (h *hall) lastShow() int64 { return h.firstShow + int64(h.shows) - 1 }

// bulk runs fn in a transaction that does not check foreign keys, which saves minutes.
func (in *instance) bulk(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, in.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL session_replication_role = replica`); err != nil {
			return err
		}
		return fn(tx)
	})
}

// addHall creates a venue with shows, one every three hours from tomorrow.
func (in *instance) addHall(ctx context.Context, seats, shows int) (*hall, error) {
	h := &hall{seats: seats, shows: shows}
	err := in.bulk(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			WITH venue AS (
				INSERT INTO venues (venue_name, name_folded, address)
				VALUES ('Hall of ' || $1::int, 'hall of ' || $1::int, '1 Bench Street')
				RETURNING venue_id
			), event AS (
				INSERT INTO events (title, title_folded) VALUES ('Event', 'event') RETURNING event_id
			)
			SELECT venue_id, event_id FROM venue, event`, seats).Scan(&h.venue, &h.event)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			WITH added AS (
				INSERT INTO seats (venue_id, seat_row, seat_number)
				SELECT $1, CASE WHEN i / 50 < 26 THEN chr(65 + i / 50) ELSE (i / 50)::text END, i % 50 + 1
				FROM generate_series(0, $2::int - 1) AS i
				RETURNING seat_id
			)
			SELECT min(seat_id) FROM added`, h.venue, seats).Scan(&h.firstSeat)
		if err != nil {
			return err
		}
		return h.fill(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return h, in.vacuum(ctx, "shows, show_seats, seats, venues, events")
}

// fill creates the shows.
func (h *hall) fill(ctx context.Context, tx pgx.Tx) error {
	if h.shows == 0 {
		return nil
	}
	err := tx.QueryRow(ctx, `
		WITH added AS (
			INSERT INTO shows (event_id, venue_id, start_time, end_time, price, total_seats)
			SELECT $1, $2, start, start + interval '2 hours', 450, $3
			FROM generate_series(0, $4::int - 1) AS i,
			     LATERAL (SELECT now() + interval '1 day' + i * interval '3 hours' AS start) AS times
			RETURNING show_id
		)
		SELECT min(show_id) FROM added`, h.event, h.venue, h.seats, h.shows).Scan(&h.firstShow)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO show_seats (show_id, seat_id)
		SELECT show_id, seat_id FROM shows JOIN seats USING (venue_id) WHERE venue_id = $1`, h.venue)
	return err
}

// user is a user with an access token.
type user struct {
	id    int64
	token string
}

// addUsers creates users. It can be called once for an instance.
func (in *instance) addUsers(ctx context.Context, n int) (users []user, err error) {
	var first int64
	err = in.pool.QueryRow(ctx, `
		WITH added AS (
			INSERT INTO users (email, email_key, password_hash)
			SELECT 'user' || i || '@bench.example', 'user' || i || '@bench.example', '!' FROM generate_series(1, $1::int) AS i
			RETURNING user_id
		)
		SELECT min(user_id) FROM added`, n).Scan(&first)
	if err != nil {
		return nil, err
	}
	users = make([]user, n)
	for i := range users {
		id := first + int64(i)
		token, err := in.stack.token(id, domain.RoleUser)
		if err != nil {
			return nil, err
		}
		users[i] = user{id, token}
	}
	return users, in.vacuum(ctx, "users")
}

// addHistory creates bookings of one seat each in the last 30 days: three in five are confirmed and paid, the
// others cancelled.
func (in *instance) addHistory(ctx context.Context, bookings int) error {
	h, err := in.addHall(ctx, min(10_000, bookings), max(1, bookings/10_000))
	if err != nil {
		return err
	}
	return in.addBookings(ctx, h, bookings, `CASE WHEN i % 5 < 3 THEN 'CONFIRMED' ELSE 'CANCELLED' END`, `now() + interval '1 hour'`)
}

// addBookings creates a booking for each of the first seats of h. status and expires are SQL.
func (in *instance) addBookings(ctx context.Context, h *hall, bookings int, status, expires string) error {
	err := in.bulk(ctx, func(tx pgx.Tx) error {
		for _, sql := range []string{
			fmt.Sprintf(`
			CREATE TEMP TABLE new ON COMMIT DROP AS
			SELECT nextval(pg_get_serial_sequence('bookings', 'booking_id')) AS booking_id, i,
			       (SELECT min(user_id) FROM users) AS user_id,
			       %d + i / %d AS show_id, %d + i %% %d AS seat_id, (%s)::booking_status AS status
			FROM generate_series(0, %d) AS i`, h.firstShow, h.seats, h.firstSeat, h.seats, status, bookings-1),
			fmt.Sprintf(`
			INSERT INTO bookings (booking_id, user_id, show_id, status, cancel_reason, seat_count, amount, lock_token,
			                      created_at, expires_at, confirmed_at, cancelled_at)
			OVERRIDING SYSTEM VALUE
			SELECT booking_id, user_id, show_id, status, CASE WHEN status = 'CANCELLED' THEN 'user' END, 1, 450,
			       'bench' || i, now() - interval '30 days' * i / %d, %s,
			       CASE WHEN status = 'CONFIRMED' THEN now() END, CASE WHEN status = 'CANCELLED' THEN now() END
			FROM new ORDER BY booking_id`, bookings+1, expires),
			`INSERT INTO booking_seats (booking_id, seat_id, price) SELECT booking_id, seat_id, 450 FROM new`,
			`INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
			SELECT booking_id, 'bench' || booking_id, 'bench' || booking_id, 450, 'succeeded', now()
			FROM new WHERE status = 'CONFIRMED'`,
			`UPDATE show_seats
			SET status = CASE new.status WHEN 'CONFIRMED' THEN 'BOOKED' ELSE 'LOCKED' END::seat_status,
			    booking_id = new.booking_id, locked_at = now()
			FROM new
			WHERE show_seats.show_id = new.show_id AND show_seats.seat_id = new.seat_id AND new.status <> 'CANCELLED'`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%.60s…: %w", sql, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return in.vacuum(ctx, "bookings, booking_seats, payments, show_seats")
}
