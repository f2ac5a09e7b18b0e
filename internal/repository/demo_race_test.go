package repository_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

func TestDemoLoad_ConcurrentLoadsLeaveOneSet(t *testing.T) {
	pool, _ := setupDemo(t)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, err := newDemo(pool).Load(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if shows, _ := upcoming(t, pool); !slices.Equal(shows, wantShows) {
		t.Errorf("shows = %q", shows)
	}
}

func TestDemoClear_RacesWithBooking(t *testing.T) {
	pool, demo := setupDemo(t)
	f := fixture{pool: pool, instance: newInstance(t, pool, rules())}
	for range 5 {
		loaded := loadDemo(t, demo)
		guest := testkit.NewUser(t, pool)
		f.show = loaded.Shows[0].ShowID
		seats := testkit.SeatIDs(t, pool, f.show)
		var group sync.WaitGroup
		group.Go(func() {
			if _, err := demo.Clear(t.Context()); err != nil {
				t.Error(err)
			}
		})
		var held error
		group.Go(func() {
			_, held = f.hold(guest, seats[:2]...)
		})
		group.Wait()
		bookings := testkit.Value[int](t, pool, `SELECT count(*) FROM bookings WHERE user_id = $1`, guest)
		if (held == nil) != (bookings == 1) {
			t.Errorf("hold returned %v, and there are %d bookings", held, bookings)
		}
		if held != nil && !errors.Is(held, domain.ErrShowNotFound) {
			t.Errorf("hold: %v", held)
		}
	}
}

// waits returns when call waits for a lock in the database, and fails the test if call returns
// instead. The channel receives the error of call.
func waits(t *testing.T, pool *pgxpool.Pool, call func() error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	for testkit.Value[int](t, pool, `
		SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v", err)
		default:
		}
	}
	return done
}

func TestDemoLoad_WaitsForAnotherLoad(t *testing.T) {
	pool, demo := setupDemo(t)
	var done <-chan error
	err := patient(pool).InTx(t.Context(), func(ctx context.Context) error {
		if _, err := demo.Load(ctx); err != nil {
			return err
		}
		done = waits(t, pool, func() error {
			_, err := demo.Load(t.Context())
			return err
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDemoClear_WaitsForBookingUnderWay(t *testing.T) {
	pool, demo := setupDemo(t)
	show := loadDemo(t, demo).Shows[0].ShowID
	guest := testkit.NewUser(t, pool)
	seat := testkit.SeatIDs(t, pool, show)[0]
	var done <-chan error
	var cleared service.DemoCleared
	bookings := newInstance(t, pool, rules()).bookings
	err := patient(pool).InTx(t.Context(), func(ctx context.Context) error {
		_, err := bookings.Lock(ctx, service.LockSeats{UserID: guest, ShowID: show, SeatIDs: []int64{seat}}, service.Request{Encoder: &encoder{}})
		if err != nil {
			return err
		}
		done = waits(t, pool, func() (err error) {
			cleared, err = demo.Clear(t.Context())
			return err
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := testkit.Value[int](t, pool, `SELECT count(*) FROM bookings WHERE user_id = $1`, guest); n != 1 || cleared.Shows != 4 {
		t.Errorf("%d bookings, cleared %+v", n, cleared)
	}
}
