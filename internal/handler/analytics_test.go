package handler_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"evently/internal/testkit"
)

// figures inserts bookings to report on.
type figures struct {
	*catalogAPI
	user int64
}

// booking inserts a booking of a show. made is SQL for the time of its creation; payment is the status
// of its payment, or "" for none.
func (f figures) booking(show int64, status, expires, made, amount, payment string) {
	f.t.Helper()
	testkit.Exec(f.t, f.pool, `
		WITH booking AS (
			INSERT INTO bookings (user_id, show_id, status, cancel_reason, seat_count, amount, lock_token,
			                      created_at, expires_at, confirmed_at, cancelled_at)
			SELECT $1, $2, $3, CASE WHEN $3 = 'CANCELLED'::booking_status THEN 'user' END, 1, $4::text::numeric, 'token',
			       `+made+`, now() + $5::text::interval,
			       CASE WHEN $3 = 'CONFIRMED'::booking_status THEN now() END,
			       CASE WHEN $3 = 'CANCELLED'::booking_status THEN now() END
			RETURNING booking_id, amount
		)
		INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at, refund_requested_at, refunded_at)
		SELECT booking_id, 'attempt-' || booking_id, 'paid-' || booking_id, amount, $6, now(),
		       CASE WHEN $6 = 'refunded' THEN now() END, CASE WHEN $6 = 'refunded' THEN now() END
		FROM booking
		WHERE $6 <> ''`, f.user, show, status, amount, expires, payment)
}

// midnight returns SQL for the start of the UTC day n days ago.
func midnight(n int) string {
	return fmt.Sprintf(`(date_trunc('day', now() AT TIME ZONE 'UTC') - interval '%d days') AT TIME ZONE 'UTC'`, n)
}

func TestAnalytics_Figures(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	f := figures{catalogAPI: a, user: testkit.NewUser(t, a.pool)}
	one, two := testkit.NewEvent(t, a.pool, "One"), testkit.NewEvent(t, a.pool, "Two")
	venue := testkit.NewVenue(t, a.pool, 1, 5)
	testkit.Exec(t, a.pool, `UPDATE venues SET venue_name = 'Hall'`)
	first := testkit.NewShow(t, a.pool, testkit.Show{EventID: one, VenueID: venue})
	second := testkit.NewShow(t, a.pool, testkit.Show{EventID: two})
	hidden := testkit.NewShow(t, a.pool, testkit.Show{EventID: one})
	testkit.Exec(t, a.pool, `UPDATE venues SET venue_name = 'Other' WHERE venue_id <> $1`, venue)

	const now, ten = "now()", "10 minutes"
	f.booking(first, "CONFIRMED", ten, now, "900", "succeeded")
	f.booking(first, "CANCELLED", ten, now, "450", "refunded")
	f.booking(first, "PENDING", ten, now, "450", "")
	f.booking(first, "PENDING", "-1 second", now, "450", "succeeded") // expired, nothing has ended it
	f.booking(first, "CANCELLED", ten, now, "450", "")                // let go unpaid
	f.booking(first, "PENDING", "-1 second", now, "450", "")          // expired unpaid
	f.booking(first, "CONFIRMED", "-1 day", midnight(2), "100.05", "succeeded")
	f.booking(second, "CONFIRMED", "-1 day", midnight(1)+" - interval '1 microsecond'", "80", "succeeded")
	f.booking(hidden, "CANCELLED", ten, now, "450", "refunded")
	f.booking(first, "CONFIRMED", "-1 day", midnight(2)+" - interval '1 microsecond'", "7", "succeeded")
	testkit.Exec(t, a.pool, `DELETE FROM show_seats WHERE show_id = $1`, hidden)
	testkit.Exec(t, a.pool, `UPDATE shows SET deleted_at = now(), total_seats = 0 WHERE show_id = $1`, hidden)
	day := func(n int) string {
		return testkit.Value[string](t, a.pool, `SELECT to_char(now() AT TIME ZONE 'UTC' - make_interval(days => $1), 'YYYY-MM-DD')`, n)
	}

	got := a.call("GET", "/analytics?days=3", "", 200)
	want := fmt.Sprintf(`{
		"most_booked_events": [
			{"event_id": %d, "title": "One", "total_bookings": 2, "total_revenue": 1000.05, "average_booking_value": 500.03},
			{"event_id": %d, "title": "Two", "total_bookings": 1, "total_revenue": 80, "average_booking_value": 80}],
		"cancellation_rates": [
			{"show_id": %d, "event_title": "One", "venue_name": "Hall",
			 "total_bookings": 5, "cancelled_bookings": 2, "cancellation_rate": 40},
			{"show_id": %d, "event_title": "Two", "venue_name": "Other",
			 "total_bookings": 1, "cancelled_bookings": 0, "cancellation_rate": 0}],
		"daily_booking_stats": [
			{"date": %q, "total_bookings": 7, "confirmed_bookings": 1, "cancelled_bookings": 5, "pending_bookings": 1,
			 "total_revenue": 900, "average_booking_value": 900},
			{"date": %q, "total_bookings": 0, "confirmed_bookings": 0, "cancelled_bookings": 0, "pending_bookings": 0,
			 "total_revenue": 0, "average_booking_value": 0},
			{"date": %q, "total_bookings": 2, "confirmed_bookings": 2, "cancelled_bookings": 0, "pending_bookings": 0,
			 "total_revenue": 180.05, "average_booking_value": 90.03}]
	}`, one, two, first, second, day(0), day(1), day(2))
	diff(t, got, want, "generated_at")
	if at := member[string](t, got, "generated_at"); !strings.HasSuffix(at, "Z") {
		t.Errorf("generated_at %s is not in UTC", at)
	}

	// Days are UTC in any time zone of the database; one of these has another day now.
	for _, zone := range []string{"Pacific/Kiritimati", "Pacific/Pago_Pago"} {
		testkit.Exec(t, a.pool, `
			DO $$ BEGIN
				EXECUTE format('ALTER DATABASE %I SET timezone = %L', current_database(), '`+zone+`');
			END $$`)
		a.pool.Reset()
		diff(t, a.call("GET", "/analytics?days=3", "", 200), want, "generated_at")
	}

	f.booking(second, "CANCELLED", ten, now, "80", "refunded")
	f.booking(second, "CONFIRMED", ten, now, "80", "succeeded")
	rate := member[[]any](t, a.call("GET", "/analytics?days=365", "", 200), "cancellation_rates")[1]
	if got := member[json.Number](t, rate, "cancellation_rate"); got != "33.33" {
		t.Errorf("cancellation rate %v, want 33.33", got)
	}
	for query, want := range map[string]int{"": 30, "?days=1": 1, "?days=365": 365} {
		if got := len(member[[]any](t, a.call("GET", "/analytics"+query, "", 200), "daily_booking_stats")); got != want {
			t.Errorf("analytics%s: %d days, want %d", query, got, want)
		}
	}
}

func TestAnalytics_BoundedAndNeverNull(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	empty := a.call("GET", "/analytics?days=1", "", 200)
	for _, list := range []string{"most_booked_events", "cancellation_rates"} {
		if n := len(member[[]any](t, empty, list)); n != 0 {
			t.Errorf("%s: %d without a booking", list, n)
		}
	}

	f := figures{catalogAPI: a, user: testkit.NewUser(t, a.pool)}
	show := testkit.NewShow(t, a.pool, testkit.Show{})
	f.booking(show, "CONFIRMED", "1 hour", "now()", "10", "succeeded")
	// 120 more shows of 12 events, with one booking each.
	testkit.Exec(t, a.pool, `
		WITH made AS (
			INSERT INTO events (title, title_folded) SELECT 'Event ' || n, 'event ' || n FROM generate_series(1, 12) n RETURNING event_id
		), shown AS (
			INSERT INTO shows (event_id, venue_id, start_time, end_time, price)
			SELECT event_id, (SELECT min(venue_id) FROM venues),
			       now() + make_interval(days => (1 + row_number() OVER ())::int),
			       now() + make_interval(days => (1 + row_number() OVER ())::int, hours => 1), 10
			FROM made, generate_series(1, 10)
			RETURNING show_id
		)
		INSERT INTO bookings (user_id, show_id, status, seat_count, amount, lock_token, expires_at, confirmed_at)
		SELECT $1, show_id, 'CONFIRMED', 1, 10, 'token', now(), now()
		FROM shown`, f.user)
	answer := a.call("GET", "/analytics", "", 200)
	events := len(member[[]any](t, answer, "most_booked_events"))
	shows := len(member[[]any](t, answer, "cancellation_rates"))
	if events != 10 || shows != 100 {
		t.Errorf("%d events and %d shows, want 10 and 100", events, shows)
	}
}
