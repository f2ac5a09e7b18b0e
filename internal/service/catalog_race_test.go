package service_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

// race runs the functions concurrently and returns their errors.
func race(fns ...func() error) []error {
	errs := make([]error, len(fns))
	start := make(chan struct{})
	var all sync.WaitGroup
	for i, fn := range fns {
		all.Go(func() {
			<-start
			errs[i] = fn()
		})
	}
	close(start)
	all.Wait()
	return errs
}

// wantOnly fails the test unless each error is nil or one of allowed.
func wantOnly(t *testing.T, errs []error, allowed ...error) {
	t.Helper()
next:
	for _, err := range errs {
		for _, ok := range append(allowed, nil) {
			if errors.Is(err, ok) {
				continue next
			}
		}
		t.Fatalf("error %v", err)
	}
}

// whileBlocked starts fn, commits each transaction as soon as fn waits for it, and returns the error
// of fn.
func whileBlocked(t *testing.T, pool *pgxpool.Pool, fn func() error, txs ...pgx.Tx) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- fn() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, tx := range txs {
		for waiting := false; !waiting; {
			select {
			case err := <-done:
				t.Fatalf("did not wait: %v", err)
			default:
			}
			err := pool.QueryRow(ctx, `
				SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`,
				int32(tx.Conn().PgConn().PID())).Scan(&waiting)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
	}
	return <-done
}

// begin opens a transaction, which is rolled back at the end of the test, and runs the statements in it.
func begin(t *testing.T, pool *pgxpool.Pool, statements ...string) pgx.Tx {
	t.Helper()
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	for _, sql := range statements {
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	return tx
}

func TestCatalog_AddSeatsRacesWithShows(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	event := testkit.NewEvent(t, f.pool, "Event")
	venue, other := testkit.NewVenue(t, f.pool, 0, 0), testkit.NewVenue(t, f.pool, 3, 3)
	rows := places(14)
	mover, err := f.CreateShow(ctx, aShow(event, other, 1000))
	wantErr(t, err, nil)
	for round := range 14 {
		seats := rows[round*100 : round*100+100]
		target := []int64{venue, other}[round%2]
		errs := race(
			func() error { _, err := f.AddSeats(ctx, venue, seats); return err },
			func() error { _, err := f.CreateShow(ctx, aShow(event, venue, 2*round)); return err },
			func() error { _, err := f.CreateShow(ctx, aShow(event, venue, 2*round+1)); return err },
			func() error { _, err := f.UpdateShow(ctx, mover.ID, domain.ShowChange{VenueID: &target}); return err },
			func() error { _, err := f.AddSeats(ctx, venue, seats); return err },
		)
		wantOnly(t, errs)
		wantWhole(t, f.pool)
	}
}

func TestCatalog_DeleteSeatsRacesWithShows(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	event := testkit.NewEvent(t, f.pool, "Event")
	kept := 0
	for round := range 20 {
		venue := testkit.NewVenue(t, f.pool, 5, 20)
		elsewhere := testkit.NewShow(t, f.pool, testkit.Show{EventID: event, Start: time.Now().Add(time.Duration(round+1) * 24 * time.Hour)})
		errs := race(
			func() error {
				_, inUse, err := f.DeleteSeats(ctx, venue, placesOf(places(5)))
				if errors.Is(err, domain.ErrSeatsInUse) && len(inUse) == 0 {
					return errors.New("a conflict without seats")
				}
				return err
			},
			func() error { _, err := f.CreateShow(ctx, aShow(event, venue, round)); return err },
			func() error {
				_, err := f.UpdateShow(ctx, elsewhere, domain.ShowChange{VenueID: &venue})
				return err
			},
		)
		wantOnly(t, errs[:1], domain.ErrSeatsInUse)
		wantOnly(t, errs[1:], domain.ErrVenueBusy)
		wantWhole(t, f.pool)
		if errs[0] != nil {
			kept++
		}
	}
	t.Logf("the shows were first in %d of 20 rounds", kept)
}

func TestCreateShow_OverlappingShowsRace(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	event, venue := testkit.NewEvent(t, f.pool, "Event"), testkit.NewVenue(t, f.pool, 1, 5)
	for round := range 10 {
		create := func() error { _, err := f.CreateShow(ctx, aShow(event, venue, round)); return err }
		errs := race(create, create, create, create)
		wantOnly(t, errs, domain.ErrVenueBusy)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM shows`); n != 10 {
		t.Fatalf("%d shows, want one of each round", n)
	}
}

func TestCreateShow_RacesWithDeletesOfEventAndVenue(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	for range 20 {
		event, venue := testkit.NewEvent(t, f.pool, "Event"), testkit.NewVenue(t, f.pool, 2, 5)
		errs := race(
			func() error { return f.DeleteVenue(ctx, venue) },
			func() error { return f.DeleteEvent(ctx, event) },
			func() error { _, err := f.CreateShow(ctx, aShow(event, venue, 0)); return err },
			func() error { _, err := f.AddSeats(ctx, venue, places(3)); return err },
		)
		wantOnly(t, errs[:1], domain.ErrVenueHasShows)
		wantOnly(t, errs[1:2], domain.ErrEventHasShows)
		wantOnly(t, errs[2:3], domain.ErrVenueNotFound, domain.ErrEventNotFound)
		wantOnly(t, errs[3:], domain.ErrVenueNotFound)
		wantWhole(t, f.pool)
	}
}

func TestDeleteShow_ConcurrentDeletes(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	for _, booked := range []bool{false, true} {
		show := testkit.NewShow(t, f.pool, testkit.Show{})
		if booked {
			newBooking(t, f.pool, show, aBooking{status: domain.BookingCancelled})
		}
		remove := func() error { return f.DeleteShow(t.Context(), show) }
		errs := race(remove, remove, remove)
		wantOnly(t, errs, domain.ErrShowNotFound)
		done := 0
		for _, err := range errs {
			if err == nil {
				done++
			}
		}
		if done != 1 {
			t.Fatalf("%d deletes of one show succeeded (booked before: %t)", done, booked)
		}
	}
}

// Changing or deleting a show waits for bookings under way, and then counts them.
func TestCatalog_ChangeWaitsForBookings(t *testing.T) {
	t.Parallel()
	price := domain.Money(100)
	actions := map[string]func(f catalogFixture, ctx context.Context, show int64) error{
		"update": func(f catalogFixture, ctx context.Context, show int64) error {
			_, err := f.UpdateShow(ctx, show, domain.ShowChange{Price: &price})
			return err
		},
		"delete": func(f catalogFixture, ctx context.Context, show int64) error { return f.DeleteShow(ctx, show) },
	}
	cases := map[string]struct {
		before *aBooking
		during func(ctx context.Context, tx pgx.Tx, user, show, booking, seat int64) error
		want   *domain.Error
	}{
		"a new hold": {
			during: func(ctx context.Context, tx pgx.Tx, user, show, _, seat int64) error {
				_, err := book(ctx, tx, user, show, aBooking{status: domain.BookingPending, seat: seat})
				return err
			},
			want: domain.ErrShowHasBookings,
		},
		"an expired hold being confirmed": {
			before: &aBooking{status: domain.BookingPending, expires: "-1 second", paid: true},
			during: func(ctx context.Context, tx pgx.Tx, _, _, booking, _ int64) error {
				_, err := tx.Exec(ctx, `UPDATE bookings SET status = 'CONFIRMED', confirmed_at = now() WHERE booking_id = $1`, booking)
				return err
			},
			want: domain.ErrShowHasBookings,
		},
		"an expired hold being paid": {
			before: &aBooking{status: domain.BookingPending, expires: "-1 second"},
			during: func(ctx context.Context, tx pgx.Tx, _, _, booking, _ int64) error {
				_, err := tx.Exec(ctx, `INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at) VALUES ($1, 'late', 'late', 450, 'succeeded', now())`, booking)
				return err
			},
		},
	}
	for action, do := range actions {
		for name, c := range cases {
			t.Run(action+"/"+name, func(t *testing.T) {
				t.Parallel()
				f := setupCatalog(t)
				ctx := t.Context()
				show, user := testkit.NewShow(t, f.pool, testkit.Show{}), testkit.NewUser(t, f.pool)
				seat := testkit.SeatIDs(t, f.pool, show)[0]
				var booking int64
				if c.before != nil {
					booking = newBooking(t, f.pool, show, *c.before)
				}
				tx := begin(t, f.pool)
				if err := c.during(ctx, tx, user, show, booking, seat); err != nil {
					t.Fatal(err)
				}
				wantErr(t, whileBlocked(t, f.pool, func() error { return do(f, ctx, show) }, tx), c.want)
				wantConsistent(t, f.pool)
			})
		}
	}
}

// A show moves while a change of it waits for its old venue. Seats that are added to the new venue
// meanwhile are not missed.
func TestUpdateShow_FollowsAShowThatMoves(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	from, to := testkit.NewVenue(t, f.pool, 1, 2), testkit.NewVenue(t, f.pool, 1, 3)
	show := testkit.NewShow(t, f.pool, testkit.Show{VenueID: from, Start: time.Now().Add(-time.Hour)})
	move := begin(t, f.pool,
		fmt.Sprintf(`SELECT FROM venues WHERE venue_id = %d FOR NO KEY UPDATE`, from),
		fmt.Sprintf(`DELETE FROM show_seats WHERE show_id = %d`, show),
		fmt.Sprintf(`INSERT INTO show_seats (show_id, seat_id) SELECT %d, seat_id FROM seats WHERE venue_id = %d`, show, to),
		fmt.Sprintf(`UPDATE shows SET venue_id = %d, total_seats = 3 WHERE show_id = %d`, to, show))
	add := begin(t, f.pool,
		fmt.Sprintf(`SELECT FROM venues WHERE venue_id = %d FOR NO KEY UPDATE`, to),
		fmt.Sprintf(`INSERT INTO seats (venue_id, seat_row, seat_number) VALUES (%d, 'Z', 1)`, to))
	start := time.Now().Add(24 * time.Hour)
	end := start.Add(time.Hour)
	err := whileBlocked(t, f.pool, func() error {
		_, err := f.UpdateShow(t.Context(), show, domain.ShowChange{StartTime: &start, EndTime: &end})
		return err
	}, move, add)
	wantErr(t, err, nil)
	wantWhole(t, f.pool)
}

// A show moves away while seats are added to its old venue.
func TestAddSeats_ShowThatMovesAway(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	from, to := testkit.NewVenue(t, f.pool, 1, 2), testkit.NewVenue(t, f.pool, 1, 3)
	show := testkit.NewShow(t, f.pool, testkit.Show{VenueID: from})
	move := begin(t, f.pool,
		fmt.Sprintf(`DELETE FROM show_seats WHERE show_id = %d`, show),
		fmt.Sprintf(`INSERT INTO show_seats (show_id, seat_id) SELECT %d, seat_id FROM seats WHERE venue_id = %d`, show, to),
		fmt.Sprintf(`UPDATE shows SET venue_id = %d, total_seats = 3 WHERE show_id = %d`, to, show))
	err := whileBlocked(t, f.pool, func() error {
		_, err := f.AddSeats(t.Context(), from, places(1))
		return err
	}, move)
	wantErr(t, err, nil)
	wantWhole(t, f.pool)
}

func TestCatalog_ChangesRaceWithBookings(t *testing.T) {
	t.Parallel()
	f := setupCatalog(t)
	ctx := t.Context()
	user := testkit.NewUser(t, f.pool)
	w := newWorld()
	bookings := w.bookingsOn(f.store)
	for round := range 30 {
		show := testkit.NewShow(t, f.pool, testkit.Show{})
		seats := testkit.SeatIDs(t, f.pool, show)
		venue := testkit.NewVenue(t, f.pool, 2, 2)
		hold := func(seat int64) func() error {
			return func() error {
				_, err := bookings.Lock(ctx, service.LockSeats{UserID: user, ShowID: show, SeatIDs: []int64{seat}}, w.request(noKey))
				return err
			}
		}
		change := func() error { return f.DeleteShow(ctx, show) }
		if round%2 == 0 {
			change = func() error { _, err := f.UpdateShow(ctx, show, domain.ShowChange{VenueID: &venue}); return err }
		}
		errs := race(hold(seats[0]), change, hold(seats[1]))
		wantOnly(t, errs[1:2], domain.ErrShowHasBookings)
		wantOnly(t, []error{errs[0], errs[2]}, domain.ErrShowNotFound, domain.ErrInvalidSeats)
		wantConsistent(t, f.pool)
		wantWhole(t, f.pool)
	}
	violations, err := f.store.Audit(ctx, time.Hour, 10, func(string) {})
	wantErr(t, err, nil)
	if len(violations) > 0 {
		t.Fatalf("audit: %v", violations)
	}
}

// wantConsistent fails the test unless every live booking has a visible show and its seat, and no
// payment of a cancelled booking is kept.
func wantConsistent(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	faults := testkit.Value[int](t, pool, `
		SELECT count(*)
		FROM bookings b
		JOIN shows s USING (show_id)
		WHERE (b.status <> 'CANCELLED' AND (
		           s.deleted_at IS NOT NULL
		           OR NOT EXISTS (SELECT FROM show_seats ss WHERE ss.booking_id = b.booking_id)))
		   OR (b.status = 'CANCELLED' AND EXISTS (
		           SELECT FROM payments p WHERE p.booking_id = b.booking_id AND p.status = 'succeeded'))`)
	if faults != 0 {
		t.Fatalf("%d bookings lost their show, their seat or their refund", faults)
	}
}

func placesOf(seats []domain.SeatSpec) []domain.SeatPlace {
	all := make([]domain.SeatPlace, len(seats))
	for i, seat := range seats {
		all[i] = seat.SeatPlace
	}
	return all
}
