package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/seatmap"
	"evently/internal/service"
	"evently/internal/testkit"
)

// catalogFixture is a Catalog on its own database. Its rooms record what was closed.
type catalogFixture struct {
	*service.Catalog
	pool  *pgxpool.Pool
	store *repository.Store
	rooms *fakeRooms
}

// fakeRooms records the shows whose rooms were closed, and fails.
type fakeRooms struct{ closed []int64 }

// Close implements service.Rooms.
func (r *fakeRooms) Close(_ context.Context, showID int64) error {
	r.closed = append(r.closed, showID)
	return errors.New("no room")
}

func setupCatalog(t *testing.T) catalogFixture {
	t.Helper()
	pool, rooms := testkit.Pool(t), &fakeRooms{}
	// Long timeouts, because tests run many at a time.
	store := repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	maps := seatmap.New(store, seatmap.Options{Now: time.Now})
	return catalogFixture{Catalog: service.NewCatalog(store, maps, rooms, slog.New(slog.DiscardHandler)), pool: pool, store: store, rooms: rooms}
}

func spec(row string, number int32) domain.SeatSpec {
	return domain.SeatSpec{SeatPlace: domain.SeatPlace{Row: row, Number: number}}
}

// places returns rows of 100 seats: A1 to A100, B1 and so on up to row ZZ.
func places(rows int) []domain.SeatSpec {
	var all []domain.SeatSpec
	for row := range rows {
		name := string(rune('A' + row%26))
		if row >= 26 {
			name = string(rune('A'+row/26-1)) + name
		}
		for number := range int32(100) {
			all = append(all, spec(name, number+1))
		}
	}
	return all
}

// aShow returns a show that begins n hours after noon of tomorrow.
func aShow(event, venue int64, n int) domain.Show {
	start := time.Now().UTC().Truncate(24 * time.Hour).Add(time.Duration(36+n) * time.Hour)
	return domain.Show{EventID: event, VenueID: venue, StartTime: start, EndTime: start.Add(time.Hour), Price: 45000}
}

// wantWhole fails the test unless every show has and counts exactly the seats of its venue, and hidden
// ones have none.
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

// wantErr fails the test unless err is want.
func wantErr(t *testing.T, err error, want *domain.Error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

// aBooking is a booking to insert.
type aBooking struct {
	status  domain.BookingStatus
	expires string // an interval from now; "" is 10 minutes
	paid    bool
	seat    int64
}

// book inserts a booking as the service does: it takes a shared lock on the show first. It returns
// pgx.ErrNoRows if the show or the seat is gone.
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
			INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
			VALUES ($1, 'paid-' || $1::bigint, 'paid-' || $1::bigint, 450, 'succeeded', now())`, id)
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

func TestCatalog_LargeVenue(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	venue, err := f.CreateVenue(ctx, "Arena", "1 Test Street")
	wantErr(t, err, nil)
	event := testkit.NewEvent(t, f.pool, "Event")
	for _, half := range [][]domain.SeatSpec{places(200)[:10_000], places(200)[10_000:]} {
		added, err := f.AddSeats(ctx, venue.ID, half)
		wantErr(t, err, nil)
		if added != 10_000 {
			t.Fatalf("added %d seats, want 10000", added)
		}
	}
	show, err := f.CreateShow(ctx, aShow(event, venue.ID, 0))
	wantErr(t, err, nil)
	if n := len(testkit.SeatIDs(t, f.pool, show.ID)); n != 20_000 {
		t.Fatalf("the show has %d seats, want 20000", n)
	}
	wantWhole(t, f.pool)
	_, seats, err := f.Venue(ctx, venue.ID)
	wantErr(t, err, nil)
	if len(seats) != 20_000 {
		t.Fatalf("the venue has %d seats, want 20000", len(seats))
	}
	wantErr(t, f.DeleteVenue(ctx, venue.ID), domain.ErrVenueHasShows)
	wantErr(t, f.DeleteShow(ctx, show.ID), nil)
	wantErr(t, f.DeleteVenue(ctx, venue.ID), nil)
}

func TestAddSeats_VenueIsBounded(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	venue := testkit.NewVenue(t, f.pool, 0, 0)
	testkit.Exec(t, f.pool, `
		INSERT INTO seats (venue_id, seat_row, seat_number)
		SELECT $1, 'A', n FROM generate_series(1, 199999) n`, venue)
	_, err := f.AddSeats(t.Context(), venue, []domain.SeatSpec{spec("B", 1), spec("B", 2)})
	wantErr(t, err, domain.ErrVenueFull)
	added, err := f.AddSeats(t.Context(), venue, []domain.SeatSpec{spec("B", 1)})
	wantErr(t, err, nil)
	if added != 1 {
		t.Errorf("added %d seats, want 1", added)
	}
}

func TestDeleteShow_UnpaidHoldsGoWithIt(t *testing.T) {
	t.Parallel()
	for name, booking := range map[string]aBooking{
		"let go":      {status: domain.BookingCancelled},
		"expired":     {status: domain.BookingPending, expires: "-1 second"},
		"long cancel": {status: domain.BookingCancelled, expires: "-1 day"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setupCatalog(t)
			ctx := t.Context()
			venue, event := testkit.NewVenue(t, f.pool, 1, 2), testkit.NewEvent(t, f.pool, "Event")
			show := testkit.NewShow(t, f.pool, testkit.Show{EventID: event, VenueID: venue})
			newBooking(t, f.pool, show, booking)

			wantErr(t, f.DeleteShow(ctx, show), nil)
			left := testkit.Value[int](t, f.pool, `
				SELECT (SELECT count(*) FROM shows) + (SELECT count(*) FROM bookings) + (SELECT count(*) FROM booking_seats)`)
			if left != 0 {
				t.Errorf("%d rows are left of the show and its bookings", left)
			}
			if d := cmp.Diff([]int64{show}, f.rooms.closed); d != "" {
				t.Errorf("closed rooms (-want +got):\n%s", d)
			}
			wantErr(t, f.DeleteVenue(ctx, venue), nil)
			wantErr(t, f.DeleteEvent(ctx, event), nil)
		})
	}
}

func TestDeleteShow_UnpaidHoldsOfAPaidShowGoToo(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	show := testkit.NewShow(t, f.pool, testkit.Show{})
	seats := testkit.SeatIDs(t, f.pool, show)
	newBooking(t, f.pool, show, aBooking{status: domain.BookingCancelled, seat: seats[0]})
	paid := newBooking(t, f.pool, show, aBooking{status: domain.BookingCancelled, seat: seats[1], paid: true})
	wantErr(t, f.DeleteShow(t.Context(), show), nil)
	got := testkit.Value[[]int64](t, f.pool, `SELECT array_agg(booking_id) FROM bookings`)
	if d := cmp.Diff([]int64{paid}, got); d != "" {
		t.Errorf("bookings left (-want +got):\n%s", d)
	}
}

func TestAddSeats_ReachShowsToCome(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	venue := testkit.NewVenue(t, f.pool, 1, 5)
	coming := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue})
	started := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue, Start: time.Now().Add(-time.Hour)})
	hidden := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue, Start: time.Now().Add(48 * time.Hour)})
	elsewhere := testkit.NewShow(t, f.pool, testkit.Show{})
	newBooking(t, f.pool, hidden, aBooking{status: domain.BookingCancelled, paid: true})
	wantErr(t, f.DeleteShow(ctx, hidden), nil)

	added, err := f.AddSeats(ctx, venue, []domain.SeatSpec{spec("A", 5), spec("A", 6), spec("A", 6)})
	wantErr(t, err, nil)
	if added != 1 {
		t.Fatalf("added %d seats, want 1", added)
	}
	got := testkit.Value[[]int](t, f.pool, `
		SELECT array_agg(total_seats ORDER BY show_id) FROM shows WHERE show_id = ANY($1)`,
		[]int64{coming, started, hidden, elsewhere})
	if d := cmp.Diff([]int{6, 5, 0, 10}, got); d != "" {
		t.Fatalf("seats of the coming, started, hidden and unrelated show (-want +got):\n%s", d)
	}

	// A show that had started and is put off to another day gets them too.
	later := time.Now().Add(72 * time.Hour).Truncate(time.Second)
	end := later.Add(time.Hour)
	_, err = f.UpdateShow(ctx, started, domain.ShowChange{StartTime: &later, EndTime: &end})
	wantErr(t, err, nil)
	wantWhole(t, f.pool)
}

func TestShow_ChangeAndDeleteWithBookings(t *testing.T) {
	t.Parallel()
	price := domain.Money(100)
	for name, c := range map[string]struct {
		booking aBooking
		want    *domain.Error
	}{
		"held":         {aBooking{status: domain.BookingPending}, domain.ErrShowHasBookings},
		"confirmed":    {aBooking{status: domain.BookingConfirmed}, domain.ErrShowHasBookings},
		"long ago":     {aBooking{status: domain.BookingConfirmed, expires: "-1 day"}, domain.ErrShowHasBookings},
		"held paid":    {aBooking{status: domain.BookingPending, paid: true}, domain.ErrShowHasBookings},
		"cancelled":    {aBooking{status: domain.BookingCancelled, paid: true}, nil},
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
				if len(f.rooms.closed) > 0 {
					t.Errorf("rooms of %v were closed", f.rooms.closed)
				}
				return
			}
			// The show is hidden and the booking keeps its history.
			got := testkit.Value[string](t, f.pool, `
				SELECT concat_ws(' ', b.status, s.deleted_at IS NOT NULL, s.total_seats,
				                 (SELECT count(*) FROM show_seats WHERE show_id = s.show_id),
				                 (SELECT count(*) FROM booking_seats WHERE booking_id = b.booking_id),
				                 (SELECT status FROM payments WHERE booking_id = b.booking_id))
				FROM bookings b JOIN shows s USING (show_id)
				WHERE b.booking_id = $1`, booking)
			if !strings.HasPrefix(got, "CANCELLED t 0 0 1 ") {
				t.Fatalf("status, hidden, total, count of seats, booked ones, payment: %s", got)
			}
			if d := cmp.Diff([]int64{show}, f.rooms.closed); d != "" {
				t.Errorf("closed rooms (-want +got):\n%s", d)
			}
			wantErr(t, f.DeleteShow(ctx, show), domain.ErrShowNotFound)
			_, err = f.UpdateShow(ctx, show, domain.ShowChange{Price: &price})
			wantErr(t, err, domain.ErrShowNotFound)
			// The errors name the show, which is in no list.
			event := testkit.Value[int64](t, f.pool, `SELECT event_id FROM shows WHERE show_id = $1`, show)
			for _, err := range []error{f.DeleteVenue(ctx, venue), f.DeleteEvent(ctx, event)} {
				var coded *domain.Error
				if !errors.As(err, &coded) || coded.Kind != domain.KindConflict ||
					!strings.Contains(coded.Message, "deleted") || !strings.HasPrefix(strings.Join(coded.Details, ""), fmt.Sprintf("show %d: ", show)) {
					t.Errorf("got %+v, want a conflict that names show %d", coded, show)
				}
			}
		})
	}
}

func TestUpdateShow_EndsExpiredHolds(t *testing.T) {
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
		                 (SELECT count(*) FROM payments WHERE status = 'refund_pending'),
		                 (SELECT count(*) FROM show_seats WHERE status = 'AVAILABLE'))`)
	if got != "3 3 10" {
		t.Fatalf("cancelled bookings, refunds, available seats: %s, want 3 3 10", got)
	}
}

func TestDeleteSeats_HistoryOfBookings(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	venue, other := testkit.NewVenue(t, f.pool, 1, 2), testkit.NewVenue(t, f.pool, 1, 2)
	show := testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue})
	newBooking(t, f.pool, show, aBooking{status: domain.BookingCancelled, paid: true})
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
