package repository_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/service"
	"evently/internal/testkit"
)

// demoTables are the tables that the demo data could change.
var demoTables = []string{"demo_rows", "users", "venues", "seats", "events", "shows", "show_seats", "bookings", "booking_seats", "payments"}

func setupDemo(t *testing.T) (*pgxpool.Pool, *service.Demo) {
	t.Helper()
	t.Parallel()
	pool := testkit.Pool(t)
	return pool, newDemo(pool)
}

func newDemo(pool *pgxpool.Pool) *service.Demo {
	return service.NewDemo(patient(pool), func(_ context.Context, password string) (string, error) {
		return "hash of " + password, nil
	}, false)
}

// patient returns a store with long timeouts, for tests that run many at a time.
func patient(pool *pgxpool.Pool) *repository.Store {
	return repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
}

func loadDemo(t *testing.T, demo *service.Demo) service.DemoLoaded {
	t.Helper()
	loaded, err := demo.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func clearDemo(t *testing.T, demo *service.Demo) service.DemoCleared {
	t.Helper()
	cleared, err := demo.Clear(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return cleared
}

// contents returns the rows of every table, or those that match its condition in where.
func contents(t *testing.T, pool *pgxpool.Pool, where map[string]string) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, table := range demoTables {
		condition := "true"
		if c, ok := where[table]; ok {
			condition = c
		}
		rows[table] = testkit.Value[[]string](t, pool, fmt.Sprintf(`
			SELECT coalesce(array_agg(t::text ORDER BY t::text), '{}') FROM %s t WHERE %s`, table, condition))
	}
	return rows
}

// upcoming returns title, venue, price and seats of the public list of shows, and their ids.
func upcoming(t *testing.T, pool *pgxpool.Pool) (shows []string, ids []int64) {
	t.Helper()
	list, _, err := patient(pool).Shows(t.Context(), domain.ShowFilter{}, nil, 500)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		shows = append(shows, fmt.Sprintf("%s at %s for %s: %d of %d", s.Event.Title, s.Venue.Name, s.Price, s.AvailableSeats, s.TotalSeats))
		ids = append(ids, s.ID)
		if until := time.Until(s.StartTime); until < 24*time.Hour || until > 14*24*time.Hour {
			t.Errorf("%s starts in %s", s.Event.Title, until)
		}
	}
	return shows, ids
}

var wantShows = []string{
	"Galactic Odyssey at Grand Cinema Hall for 450: 15 of 15",
	"Echoes of Time at Grand Cinema Hall for 400: 15 of 15",
	"Midnight Serenade at Cityplex Theater for 380: 20 of 20",
	"Galactic Odyssey at Cityplex Theater for 350: 20 of 20",
	"Echoes of Time at Riverside Arena for 95: 2000 of 2000",
}

// bookDemo inserts a paid booking of the show's first available seat and returns its id.
func bookDemo(t *testing.T, pool *pgxpool.Pool, userID, showID int64) int64 {
	t.Helper()
	return testkit.Value[int64](t, pool, `
		WITH seat AS (
			SELECT show_id, seat_id FROM show_seats
			WHERE show_id = $2 AND status = 'AVAILABLE' ORDER BY seat_id LIMIT 1
		), booking AS (
			INSERT INTO bookings (user_id, show_id, status, seat_count, amount, lock_token, expires_at, confirmed_at)
			SELECT $1, show_id, 'CONFIRMED', 1, 450, 'token', now(), now() FROM seat
			RETURNING booking_id
		), taken AS (
			INSERT INTO booking_seats (booking_id, seat_id, price)
			SELECT booking_id, seat_id, 450 FROM booking, seat
		), paid AS (
			INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
			SELECT booking_id, 'attempt ' || booking_id, 'transaction ' || booking_id, 450, 'succeeded', now() FROM booking
		), booked AS (
			UPDATE show_seats ss
			SET status = 'BOOKED', booking_id = booking.booking_id, locked_at = now()
			FROM booking, seat
			WHERE ss.show_id = seat.show_id AND ss.seat_id = seat.seat_id
		)
		SELECT booking_id FROM booking`, userID, showID)
}

func demoUser(t *testing.T, pool *pgxpool.Pool) int64 {
	t.Helper()
	return testkit.Value[int64](t, pool, `SELECT user_id FROM demo_rows WHERE user_id IS NOT NULL`)
}

// passDays moves every show days into the past.
func passDays(t *testing.T, pool *pgxpool.Pool, days int) {
	t.Helper()
	testkit.Exec(t, pool, `
		UPDATE shows
		SET start_time = start_time - $1 * interval '1 day', end_time = end_time - $1 * interval '1 day'`, days)
}

func TestDemoLoad_AddsEverything(t *testing.T) {
	pool, demo := setupDemo(t)
	loaded := loadDemo(t, demo)
	shows, ids := upcoming(t, pool)
	if diff := cmp.Diff(wantShows, shows); diff != "" {
		t.Errorf("shows (-want +got):\n%s", diff)
	}
	var given []int64
	for _, show := range loaded.Shows {
		given = append(given, show.ShowID)
	}
	if diff := cmp.Diff(ids, given); diff != "" {
		t.Errorf("ids of the result (-want +got):\n%s", diff)
	}
	loaded.Shows = nil
	if diff := cmp.Diff(service.DemoLoaded{VenuesAdded: 3, SeatsAdded: 2035, EventsAdded: 3, ShowsAdded: 5, UserAdded: true, Password: service.DemoPassword}, loaded); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	rows := testkit.Value[[]string](t, pool, `
		SELECT array_agg(venue_name || ' ' || seat_row || ' ' || seats ORDER BY venue_name, length(seat_row), seat_row)
		FROM (
			SELECT venue_name, seat_row, min(seat_number) || '-' || max(seat_number) AS seats
			FROM venues JOIN seats USING (venue_id)
			GROUP BY venue_name, seat_row
		) r`)
	if diff := cmp.Diff([]string{"Cityplex Theater A 1-10", "Cityplex Theater B 1-10",
		"Grand Cinema Hall A 1-5", "Grand Cinema Hall B 1-5", "Grand Cinema Hall C 1-5"}, rows[:5]); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if len(rows) != 45 || rows[5+25] != "Riverside Arena Z 1-50" || rows[5+26] != "Riverside Arena AA 1-50" || rows[44] != "Riverside Arena AN 1-50" {
		t.Errorf("rows of the arena: %q", rows[5:])
	}
	user := testkit.Value[string](t, pool, `SELECT email || ' ' || password_hash || ' ' || role FROM users`)
	if user != "demo@evently.example hash of demo-password-123 user" {
		t.Errorf("user = %q", user)
	}
}

func TestDemoLoad_TwiceChangesNothing(t *testing.T) {
	pool, demo := setupDemo(t)
	first := loadDemo(t, demo)
	bookDemo(t, pool, demoUser(t, pool), first.Shows[0].ShowID)
	before := contents(t, pool, nil)

	second := loadDemo(t, demo)
	if diff := cmp.Diff(service.DemoLoaded{Shows: first.Shows}, second); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, contents(t, pool, nil)); diff != "" {
		t.Errorf("rows (-before +after):\n%s", diff)
	}
}

func TestDemoClear_LeavesNothing(t *testing.T) {
	pool, demo := setupDemo(t)
	empty := contents(t, pool, nil)
	loaded := loadDemo(t, demo)
	user := demoUser(t, pool)
	bookDemo(t, pool, user, loaded.Shows[0].ShowID)
	bookDemo(t, pool, user, loaded.Shows[0].ShowID)
	bookDemo(t, pool, user, loaded.Shows[4].ShowID)

	cleared := clearDemo(t, demo)
	if diff := cmp.Diff(service.DemoCleared{Users: 1, Bookings: 3, Shows: 5, Events: 3, Venues: 3, Kept: []string{}}, cleared); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(empty, contents(t, pool, nil)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(service.DemoCleared{Kept: []string{}}, clearDemo(t, demo)); diff != "" {
		t.Errorf("cleared again (-want +got):\n%s", diff)
	}
	loadDemo(t, demo)
	if shows, _ := upcoming(t, pool); !slices.Equal(shows, wantShows) {
		t.Errorf("loaded again: %q", shows)
	}
}

func TestDemoLoad_ReplacesOutdatedShows(t *testing.T) {
	for name, spoil := range map[string]string{
		"the first has passed":  `UPDATE shows SET start_time = now() - interval '1 minute' WHERE ` + demoShow(1),
		"all have passed":       `UPDATE shows SET start_time = start_time - interval '30 days', end_time = end_time - interval '30 days'`,
		"the order is another":  `UPDATE shows SET start_time = start_time + interval '3 days', end_time = end_time + interval '3 days' WHERE ` + demoShow(2),
		"one was hidden":        `UPDATE shows SET deleted_at = now() WHERE ` + demoShow(3),
		"one was deleted":       `DELETE FROM shows WHERE ` + demoShow(5),
		"a price was changed":   `UPDATE shows SET price = 1 WHERE ` + demoShow(4),
		"an event was changed":  `UPDATE shows SET event_id = (SELECT event_id FROM events WHERE title = 'Echoes of Time')`,
		"a seat was taken out":  `WITH gone AS (DELETE FROM show_seats WHERE seat_id = 1) UPDATE shows SET total_seats = 14 WHERE ` + demoShow(1),
		"a name was changed":    `WITH e AS (UPDATE events SET title = 'X') UPDATE venues SET venue_name = 'Y'`,
		"the venue lost a seat": `WITH a AS (DELETE FROM show_seats WHERE seat_id = 1), s AS (UPDATE shows SET total_seats = 14 WHERE venue_id = 1) DELETE FROM seats WHERE seat_id = 1`,
	} {
		t.Run(name, func(t *testing.T) {
			pool, demo := setupDemo(t)
			loadDemo(t, demo)
			testkit.Exec(t, pool, spoil)
			loadDemo(t, demo)
			shows, _ := upcoming(t, pool)
			if diff := cmp.Diff(wantShows, shows); diff != "" {
				t.Errorf("shows (-want +got):\n%s", diff)
			}
		})
	}
}

// demoShow is true for the demo show of this number.
func demoShow(n int) string {
	return fmt.Sprintf(`show_id = (SELECT show_id FROM demo_rows WHERE demo_key = 'show-%d')`, n)
}

func TestDemo_KeepsRealRows(t *testing.T) {
	pool, demo := setupDemo(t)
	loaded := loadDemo(t, demo)
	guest, user := testkit.NewUser(t, pool), demoUser(t, pool)
	realEvent := testkit.NewEvent(t, pool, "A real event")
	realVenue := testkit.NewVenue(t, pool, 1, 3)
	realShow := testkit.NewShow(t, pool, testkit.Show{EventID: realEvent, VenueID: realVenue})
	bookDemo(t, pool, user, realShow)
	bookDemo(t, pool, guest, realShow)
	bookDemo(t, pool, guest, loaded.Shows[1].ShowID)
	bookDemo(t, pool, user, loaded.Shows[1].ShowID)
	passDays(t, pool, 7)
	// A real show takes the time of the first demo show, and one of a demo event is in a real venue.
	cinema := testkit.Value[int64](t, pool, `SELECT venue_id FROM demo_rows WHERE demo_key = 'grand-cinema-hall'`)
	odyssey := testkit.Value[int64](t, pool, `SELECT event_id FROM demo_rows WHERE demo_key = 'galactic-odyssey'`)
	testkit.NewShow(t, pool, testkit.Show{EventID: realEvent, VenueID: cinema, Start: loaded.Shows[0].StartTime.Add(-time.Hour)})
	testkit.NewShow(t, pool, testkit.Show{EventID: odyssey, VenueID: realVenue})

	isReal := map[string]string{
		"demo_rows":     "false",
		"users":         "NOT EXISTS (SELECT FROM demo_rows d WHERE d.user_id = t.user_id)",
		"venues":        "NOT EXISTS (SELECT FROM demo_rows d WHERE d.venue_id = t.venue_id)",
		"events":        "NOT EXISTS (SELECT FROM demo_rows d WHERE d.event_id = t.event_id)",
		"shows":         "NOT EXISTS (SELECT FROM demo_rows d WHERE d.show_id = t.show_id)",
		"seats":         fmt.Sprintf("venue_id = %d", realVenue),
		"show_seats":    "NOT EXISTS (SELECT FROM demo_rows d WHERE d.show_id = t.show_id) OR booking_id IN (SELECT booking_id FROM bookings b WHERE NOT EXISTS (SELECT FROM demo_rows d WHERE d.user_id = b.user_id))",
		"bookings":      fmt.Sprintf("user_id = %d OR show_id = %d", guest, realShow),
		"booking_seats": fmt.Sprintf("booking_id IN (SELECT booking_id FROM bookings WHERE user_id = %d OR show_id = %d)", guest, realShow),
		"payments":      fmt.Sprintf("booking_id IN (SELECT booking_id FROM bookings WHERE user_id = %d OR show_id = %d)", guest, realShow),
	}
	before := contents(t, pool, isReal)

	renewed := loadDemo(t, demo)
	if diff := cmp.Diff(before, contents(t, pool, isReal)); diff != "" {
		t.Errorf("real rows after the load (-before +after):\n%s", diff)
	}
	if renewed.ShowsAdded != 5 || renewed.ShowsRemoved != 4 || renewed.ShowsRetired != 1 {
		t.Errorf("result: %+v", renewed)
	}
	var titles []string
	for _, show := range renewed.Shows {
		titles = append(titles, fmt.Sprintf("%s at %s for %s: %d of %d", show.Title, show.VenueName, show.Price, show.TotalSeats, show.TotalSeats))
		if !show.StartTime.After(time.Now()) {
			t.Errorf("%s has passed", show.Title)
		}
	}
	if diff := cmp.Diff(wantShows, titles); diff != "" {
		t.Errorf("shows (-want +got):\n%s", diff)
	}
	if again := loadDemo(t, demo); again.ShowsAdded != 0 || again.ShowsRetired != 0 {
		t.Errorf("loaded again: %+v", again)
	}

	cleared := clearDemo(t, demo)
	if diff := cmp.Diff(before, contents(t, pool, isReal)); diff != "" {
		t.Errorf("real rows after the clear (-before +after):\n%s", diff)
	}
	kept := []string{}
	for _, line := range cleared.Kept {
		kept = append(kept, regexp.MustCompile(` \d+ \((.*)\):`).ReplaceAllString(line, " $1"))
	}
	slices.Sort(kept)
	if diff := cmp.Diff([]string{
		"event Echoes of Time used by 1 show(s)",
		"event Galactic Odyssey used by 1 show(s)",
		"show Echoes of Time at Grand Cinema Hall used by 1 booking(s)",
		"user demo@evently.example used by 1 booking(s)",
		"venue Grand Cinema Hall used by 2 show(s)",
	}, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	cleared.Kept = nil
	if diff := cmp.Diff(service.DemoCleared{Shows: 5, Events: 1, Venues: 2}, cleared); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}

	// Without the real rows, clear removes the rest.
	testkit.Exec(t, pool, `UPDATE show_seats SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL`)
	testkit.Exec(t, pool, `DELETE FROM bookings`)
	testkit.Exec(t, pool, `DELETE FROM shows WHERE show_id NOT IN (SELECT show_id FROM demo_rows WHERE show_id IS NOT NULL)`)
	if rest := clearDemo(t, demo); len(rest.Kept) != 0 || rest.Shows != 1 || rest.Users != 1 || rest.Venues != 1 || rest.Events != 2 {
		t.Errorf("second clear: %+v", rest)
	}
}

func TestDemoLoad_AddressOfARealUser(t *testing.T) {
	pool, demo := setupDemo(t)
	testkit.Exec(t, pool, `INSERT INTO users (email, email_key, password_hash) VALUES ('Demo@Evently.Example', 'demo@evently.example', 'theirs')`)
	if loaded := loadDemo(t, demo); !loaded.EmailTaken || loaded.UserAdded {
		t.Errorf("result: %+v", loaded)
	}
	clearDemo(t, demo)
	if got := testkit.Value[string](t, pool, `SELECT email || ' ' || password_hash FROM users`); got != "Demo@Evently.Example theirs" {
		t.Errorf("user = %q", got)
	}
}

func TestDemoLoad_NoFreeDay(t *testing.T) {
	pool, demo := setupDemo(t)
	loadDemo(t, demo)
	testkit.Exec(t, pool, `DELETE FROM shows`)
	testkit.Exec(t, pool, `
		INSERT INTO shows (event_id, venue_id, start_time, end_time, price)
		SELECT event_id, venue_id, now() - interval '1 hour', now() + interval '1 year', 1
		FROM events, venues
		WHERE title = 'Echoes of Time' AND venue_name = 'Cityplex Theater'`)
	before := contents(t, pool, nil)
	if _, err := demo.Load(t.Context()); !errors.Is(err, domain.ErrVenueBusy) {
		t.Errorf("err = %v", err)
	}
	if diff := cmp.Diff(before, contents(t, pool, nil)); diff != "" {
		t.Errorf("rows of a load that failed (-before +after):\n%s", diff)
	}
}
