// Package testkit provides tests with real stores and with rows to start from.
package testkit

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
)

// serial makes names unique.
var serial atomic.Int64

// NewUser inserts a user who cannot sign in and returns the id.
func NewUser(t testing.TB, pool *pgxpool.Pool) int64 {
	t.Helper()
	return insert(t, pool, `
		INSERT INTO users (email, email_key, password_hash)
		VALUES ($1, $1, '!')
		RETURNING user_id`,
		fmt.Sprintf("user-%d@example.com", serial.Add(1)))
}

// NewEvent inserts an event and returns its id.
func NewEvent(t testing.TB, pool *pgxpool.Pool, title string) int64 {
	t.Helper()
	return insert(t, pool, `
		INSERT INTO events (title, title_folded)
		VALUES ($1, $2)
		RETURNING event_id`, title, domain.Fold(title))
}

// NewVenue inserts a venue with rows A, B, … of seatsPerRow seats and returns its id.
func NewVenue(t testing.TB, pool *pgxpool.Pool, rows, seatsPerRow int) int64 {
	t.Helper()
	name := fmt.Sprintf("Venue %d", serial.Add(1))
	return insert(t, pool, `
		WITH venue AS (
			INSERT INTO venues (venue_name, name_folded, address)
			VALUES ($1, $2, '1 Test Street')
			RETURNING venue_id
		), filled AS (
			INSERT INTO seats (venue_id, seat_row, seat_number)
			SELECT venue_id, chr(64 + r), n
			FROM venue, generate_series(1, $3::int) r, generate_series(1, $4::int) n
		)
		SELECT venue_id FROM venue`,
		name, domain.Fold(name), rows, seatsPerRow)
}

// Show is a show to insert. The zero value is a new event in a new venue of 10 seats, tomorrow, for
// two hours, at 450.00 a seat.
type Show struct {
	EventID, VenueID int64
	Start            time.Time
	Price            string
}

// NewShow inserts a show with every seat of its venue and returns its id.
func NewShow(t testing.TB, pool *pgxpool.Pool, show Show) int64 {
	t.Helper()
	if show.EventID == 0 {
		show.EventID = NewEvent(t, pool, fmt.Sprintf("Event %d", serial.Add(1)))
	}
	if show.VenueID == 0 {
		show.VenueID = NewVenue(t, pool, 2, 5)
	}
	if show.Start.IsZero() {
		show.Start = time.Now().Add(24 * time.Hour)
	}
	if show.Price == "" {
		show.Price = "450.00"
	}
	id := insert(t, pool, `
		INSERT INTO shows (event_id, venue_id, start_time, end_time, price, total_seats)
		SELECT $1, $2, $3::timestamptz, $3::timestamptz + interval '2 hours', $4::text::numeric,
		       (SELECT count(*) FROM seats WHERE venue_id = $2)
		RETURNING show_id`, show.EventID, show.VenueID, show.Start, show.Price)
	Exec(t, pool, `
		INSERT INTO show_seats (show_id, seat_id)
		SELECT $1, seat_id FROM seats WHERE venue_id = $2`, id, show.VenueID)
	return id
}

// SeatIDs returns the ids of a show's seats in ascending order.
func SeatIDs(t testing.TB, pool *pgxpool.Pool, showID int64) []int64 {
	t.Helper()
	return Value[[]int64](t, pool, `
		SELECT array_agg(seat_id ORDER BY seat_id) FROM show_seats WHERE show_id = $1`, showID)
}

// Expire makes a hold expired.
func Expire(t testing.TB, pool *pgxpool.Pool, bookingID int64) {
	t.Helper()
	Exec(t, pool, `
		UPDATE bookings SET expires_at = now() - interval '1 second' WHERE booking_id = $1`, bookingID)
}

// Exec runs a statement that must succeed.
func Exec(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// Value returns the single value of a query that must succeed.
func Value[T any](t testing.TB, pool *pgxpool.Pool, sql string, args ...any) T {
	t.Helper()
	var v T
	if err := pool.QueryRow(context.Background(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func insert(t testing.TB, pool *pgxpool.Pool, sql string, args ...any) int64 {
	t.Helper()
	return Value[int64](t, pool, sql, args...)
}
