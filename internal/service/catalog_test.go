package service_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/service"
	"evently/internal/testkit"
)

// catalogFixture is a Catalog on a database of its own.
type catalogFixture struct {
	*service.Catalog
	pool  *pgxpool.Pool
	store *repository.Store
	count *testkit.QueryCount
}

func setupCatalog(t *testing.T) catalogFixture {
	t.Helper()
	pool, count := testkit.CountingPool(t)
	// Tests run many at a time on a small machine: patience is not what they are about.
	store := repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	return catalogFixture{Catalog: service.NewCatalog(store, nil, slog.New(slog.DiscardHandler)), pool: pool, store: store, count: count}
}

// places gives rows of 100 seats: A1 to A100, B1 and so on to ZZ.
func places(rows int) []domain.SeatPlace {
	var all []domain.SeatPlace
	for row := range rows {
		name := string(rune('A' + row%26))
		if row >= 26 {
			name = string(rune('A'+row/26-1)) + name
		}
		for number := range int32(100) {
			all = append(all, domain.SeatPlace{Row: name, Number: number + 1})
		}
	}
	return all
}

// aShow is a show of that event and venue, n hours after noon of a day to come.
func aShow(event, venue int64, n int) domain.Show {
	start := time.Now().UTC().Truncate(24 * time.Hour).Add(time.Duration(36+n) * time.Hour)
	return domain.Show{EventID: event, VenueID: venue, StartTime: start, EndTime: start.Add(time.Hour), Price: 45000}
}

// wantWhole holds that every show has the seats of its venue, no other, and says how many; a
// hidden one has none.
func wantWhole(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	faults := testkit.Value[int](t, pool, `
		SELECT count(*)
		FROM shows s
		WHERE s.total_seats <> (SELECT count(*) FROM show_seats ss WHERE ss.show_id = s.show_id)
		   OR (s.deleted_at IS NULL AND
		       (SELECT array_agg(seat_id ORDER BY seat_id) FROM show_seats ss WHERE ss.show_id = s.show_id)
		       IS DISTINCT FROM
		       (SELECT array_agg(seat_id ORDER BY seat_id) FROM seats WHERE seats.venue_id = s.venue_id))`)
	if faults != 0 {
		t.Fatalf("%d shows do not have exactly the seats of their venue", faults)
	}
}

// wantErr holds that err is of the coded kind want, or nil.
func wantErr(t *testing.T, err error, want *domain.Error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// A booking as a test inserts it.
type aBooking struct {
	status  domain.BookingStatus
	expires string // an interval from now; "10 minutes" when left out
	paid    bool
	seat    int64
}

// book books a seat of a show as the booking path does: it shares the lock on the show first.
// pgx.ErrNoRows when the show or the seat is gone.
func book(ctx context.Context, tx pgx.Tx, user, show int64, b aBooking) (id int64, err error) {
	var hidden bool
	if err := tx.QueryRow(ctx, `SELECT deleted_at IS NOT NULL FROM shows WHERE show_id = $1 FOR KEY SHARE`, show).Scan(&hidden); err != nil {
		return 0, err
	}
	if hidden {
		return 0, pgx.ErrNoRows
	}
	if b.expires == "" {
		b.expires = "10 minutes"
	}
	err = tx.QueryRow(ctx, `
		INSERT INTO bookings (user_id, show_id, status, cancel_reason, seat_count, amount, lock_token, expires_at, confirmed_at, cancelled_at)
		VALUES ($1, $2, $3, CASE WHEN $3 = 'CANCELLED'::booking_status THEN 'user' END, 1, 450, 'token', now() + $4::text::interval,
		        CASE WHEN $3 = 'CONFIRMED'::booking_status THEN now() END, CASE WHEN $3 = 'CANCELLED'::booking_status THEN now() END)
		RETURNING booking_id`, user, show, b.status, b.expires).Scan(&id)
	if err != nil {
		return 0, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO booking_seats (booking_id, seat_id, price) VALUES ($1, $2, 450)`, id, b.seat)
	if err != nil {
		return 0, err
	}
	if b.paid {
		_, err = tx.Exec(ctx, `
			INSERT INTO payments (booking_id, transaction_id, amount, status)
			VALUES ($1, 'paid-' || $1::bigint, 450, 'succeeded')`, id)
		if err != nil {
			return 0, err
		}
	}
	if b.status == domain.BookingCancelled {
		return id, nil
	}
	tag, err := tx.Exec(ctx, `
		UPDATE show_seats
		SET status = CASE WHEN $4 = 'CONFIRMED'::booking_status THEN 'BOOKED' ELSE 'LOCKED' END::seat_status,
		    booking_id = $3, locked_at = now()
		WHERE show_id = $1 AND seat_id = $2`, show, b.seat, id, b.status)
	if err == nil && tag.RowsAffected() == 0 {
		err = pgx.ErrNoRows
	}
	return id, err
}

// newBooking inserts a booking of the first seat of a show.
func newBooking(t *testing.T, pool *pgxpool.Pool, show int64, b aBooking) (id int64) {
	t.Helper()
	if b.seat == 0 {
		b.seat = testkit.SeatIDs(t, pool, show)[0]
	}
	user := testkit.NewUser(t, pool)
	err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) (err error) {
		id, err = book(t.Context(), tx, user, show, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestCreatingALargeShowIsOneInsert(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	venue, err := f.CreateVenue(ctx, "Arena", "1 Test Street")
	wantErr(t, err, nil)
	event := testkit.NewEvent(t, f.pool, "Event")

	for _, half := range [][]domain.SeatPlace{places(200)[:10_000], places(200)[10_000:]} {
		f.count.Reset()
		added, err := f.AddSeats(ctx, venue.ID, half)
		wantErr(t, err, nil)
		if added != 10_000 {
			t.Fatalf("added %d seats, want 10000", added)
		}
		wantStatements(t, f.count, "SELECT venue_id", "WITH added AS")
	}

	f.count.Reset()
	show, err := f.CreateShow(ctx, aShow(event, venue.ID, 0))
	wantErr(t, err, nil)
	wantStatements(t, f.count, "SELECT venue_id", "WITH created AS")
	if n := len(testkit.SeatIDs(t, f.pool, show.ID)); n != 20_000 {
		t.Fatalf("the show has %d seats, want 20000", n)
	}
	wantWhole(t, f.pool)

	f.count.Reset()
	_, seats, err := f.Venue(ctx, venue.ID)
	wantErr(t, err, nil)
	if len(seats) != 20_000 || len(f.count.Statements()) != 2 {
		t.Fatalf("%d seats in %d statements, want 20000 in 2", len(seats), len(f.count.Statements()))
	}
	wantErr(t, f.DeleteVenue(ctx, venue.ID), domain.ErrVenueHasShows)
	wantErr(t, f.DeleteShow(ctx, show.ID), nil)
	wantErr(t, f.DeleteVenue(ctx, venue.ID), nil)
}

// wantStatements holds that exactly these statements were run, by how each begins.
func wantStatements(t *testing.T, count *testkit.QueryCount, want ...string) {
	t.Helper()
	got := count.Statements()
	for i := range got {
		if i < len(want) && strings.HasPrefix(got[i], want[i]) {
			got[i] = want[i]
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("statements (-want +got):\n%s", d)
	}
}

func TestAddedSeatsReachShowsToCome(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	venue := testkit.NewVenue(t, f.pool, 1, 5)
	coming := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue})
	started := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue, Start: time.Now().Add(-time.Hour)})
	hidden := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue, Start: time.Now().Add(48 * time.Hour)})
	elsewhere := testkit.NewShow(t, f.pool, testkit.Show{})
	newBooking(t, f.pool, hidden, aBooking{status: domain.BookingCancelled})
	wantErr(t, f.DeleteShow(ctx, hidden), nil)

	added, err := f.AddSeats(ctx, venue, []domain.SeatPlace{{Row: "A", Number: 5}, {Row: "A", Number: 6}, {Row: "A", Number: 6}})
	wantErr(t, err, nil)
	if added != 1 {
		t.Fatalf("added %d seats, want 1", added)
	}
	got := testkit.Value[[]int](t, f.pool, `
		SELECT array_agg(total_seats ORDER BY show_id) FROM shows WHERE show_id = ANY($1)`,
		[]int64{coming, started, hidden, elsewhere})
	if d := cmp.Diff([]int{6, 5, 0, 10}, got); d != "" {
		t.Fatalf("seats of the coming, started, hidden and other show (-want +got):\n%s", d)
	}

	// A show that had started, put off to another day, is one to come again.
	later := time.Now().Add(72 * time.Hour).Truncate(time.Second)
	end := later.Add(time.Hour)
	_, err = f.UpdateShow(ctx, started, domain.ShowChange{StartTime: &later, EndTime: &end})
	wantErr(t, err, nil)
	wantWhole(t, f.pool)
}

func TestShowWithBookings(t *testing.T) {
	t.Parallel()
	price := domain.Money(100)
	for name, c := range map[string]struct {
		booking aBooking
		want    *domain.Error
	}{
		"held":         {aBooking{status: domain.BookingPending}, domain.ErrShowHasBookings},
		"confirmed":    {aBooking{status: domain.BookingConfirmed}, domain.ErrShowHasBookings},
		"long ago":     {aBooking{status: domain.BookingConfirmed, expires: "-1 day"}, domain.ErrShowHasBookings},
		"cancelled":    {aBooking{status: domain.BookingCancelled}, nil},
		"expired":      {aBooking{status: domain.BookingPending, expires: "-1 second"}, nil},
		"expired paid": {aBooking{status: domain.BookingPending, expires: "-1 second", paid: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setupCatalog(t)
			ctx := t.Context()
			show := testkit.NewShow(t, f.pool, testkit.Show{})
			booking := newBooking(t, f.pool, show, c.booking)
			venue := testkit.NewVenue(t, f.pool, 3, 3)

			_, err := f.UpdateShow(ctx, show, domain.ShowChange{Price: &price, VenueID: &venue})
			wantErr(t, err, c.want)
			wantErr(t, f.DeleteShow(ctx, show), c.want)
			if c.want != nil {
				wantWhole(t, f.pool)
				return
			}
			// Hidden, and nothing is lost of the booking.
			got := testkit.Value[string](t, f.pool, `
				SELECT concat_ws(' ', b.status, s.deleted_at IS NOT NULL, s.total_seats,
				                 (SELECT count(*) FROM show_seats WHERE show_id = s.show_id),
				                 (SELECT count(*) FROM booking_seats WHERE booking_id = b.booking_id),
				                 (SELECT status FROM payments WHERE booking_id = b.booking_id))
				FROM bookings b JOIN shows s USING (show_id)
				WHERE b.booking_id = $1`, booking)
			want := "CANCELLED t 0 0 1"
			if c.booking.paid {
				want += " refunded"
			}
			if got != want {
				t.Fatalf("status, hidden, total, count of seats, booked ones, payment: %s, want %s", got, want)
			}
			// For everybody else it is gone.
			wantErr(t, f.DeleteShow(ctx, show), domain.ErrShowNotFound)
			_, err = f.UpdateShow(ctx, show, domain.ShowChange{Price: &price})
			wantErr(t, err, domain.ErrShowNotFound)
			wantErr(t, f.DeleteVenue(ctx, venue), domain.ErrVenueHasShows)
		})
	}
}

func TestExpiredHoldsGoWithAChange(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	show := testkit.NewShow(t, f.pool, testkit.Show{})
	seats := testkit.SeatIDs(t, f.pool, show)
	for _, seat := range seats[:3] {
		newBooking(t, f.pool, show, aBooking{status: domain.BookingPending, expires: "-1 minute", seat: seat, paid: true})
	}
	price := domain.Money(100)
	updated, err := f.UpdateShow(t.Context(), show, domain.ShowChange{Price: &price})
	wantErr(t, err, nil)
	if updated.Price != price {
		t.Errorf("price %v, want %v", updated.Price, price)
	}
	got := testkit.Value[string](t, f.pool, `
		SELECT concat_ws(' ', (SELECT count(*) FROM bookings WHERE status = 'CANCELLED' AND cancel_reason = 'expired'),
		                 (SELECT count(*) FROM payments WHERE status = 'refunded'),
		                 (SELECT count(*) FROM show_seats WHERE status = 'AVAILABLE'))`)
	if got != "3 3 10" {
		t.Fatalf("cancelled bookings, refunds, available seats: %s, want 3 3 10", got)
	}
}

func TestHistoryKeepsSeatsAndVenues(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	venue, other := testkit.NewVenue(t, f.pool, 1, 2), testkit.NewVenue(t, f.pool, 1, 2)
	show := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue})
	newBooking(t, f.pool, show, aBooking{status: domain.BookingCancelled})
	_, err := f.UpdateShow(ctx, show, domain.ShowChange{VenueID: &other})
	wantErr(t, err, nil)
	wantWhole(t, f.pool)

	_, inUse, err := f.DeleteSeats(ctx, venue, []domain.SeatPlace{{Row: "A", Number: 1}, {Row: "A", Number: 2}})
	wantErr(t, err, domain.ErrSeatsInUse)
	if len(inUse) != 1 || inUse[0].Number != 1 {
		t.Fatalf("seats in use %v, want A1 alone", inUse)
	}
	wantErr(t, f.DeleteVenue(ctx, venue), domain.ErrVenueHasShows)
	deleted, _, err := f.DeleteSeats(ctx, venue, []domain.SeatPlace{{Row: "A", Number: 2}})
	wantErr(t, err, nil)
	if len(deleted) != 1 {
		t.Fatalf("deleted %v, want A2", deleted)
	}
}
