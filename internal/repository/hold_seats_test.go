package repository_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

func transaction(bookingID int64) string { return fmt.Sprintf("txn-%d", bookingID) }

func TestHoldSeatsTakesAllOrNone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)

	hold := f.mustHold(t, user, f.seats[0], f.seats[1])
	if hold.Amount != 90000 {
		t.Errorf("amount is %s, want 900", hold.Amount)
	}
	if got := hold.ExpiresAt.Sub(hold.CreatedAt); got != time.Minute {
		t.Errorf("held for %s, want 1m", got)
	}
	_, err := f.hold(user, f.seats[1], f.seats[2])
	wantCode(t, err, domain.ErrSeatsUnavailable)
	if diff := cmp.Diff([]int64{f.seats[1]}, field[[]int64](t, err, "failed_seats")); diff != "" {
		t.Error(diff)
	}
	want := map[int64]string{}
	for i, id := range f.seats {
		want[id] = "AVAILABLE"
		if i < 2 {
			want[id] = "LOCKED"
		}
	}
	if diff := cmp.Diff(want, f.status(t)); diff != "" {
		t.Errorf("a failed lock left a trace: %s", diff)
	}
	f.audit(t)
}

func TestHoldSeatsListsSeatsByRowAndNumber(t *testing.T) {
	t.Parallel()
	f := setup(t)
	venue := testkit.Value[int64](t, f.pool, `INSERT INTO venues (venue_name, name_folded, address) VALUES ('v', 'v', 'a') RETURNING venue_id`)
	testkit.Exec(t, f.pool, `
		INSERT INTO seats (venue_id, seat_row, seat_number)
		VALUES ($1, 'AA', 1), ($1, 'Z', 10), ($1, 'Z', 9)`, venue)
	f.show = testkit.NewShow(t, f.pool, testkit.Show{VenueID: venue})

	hold := f.mustHold(t, testkit.NewUser(t, f.pool), testkit.SeatIDs(t, f.pool, f.show)...)
	got := []string{}
	for _, seat := range hold.Seats {
		got = append(got, fmt.Sprint(seat.Row, seat.Number))
	}
	if diff := cmp.Diff([]string{"Z9", "Z10", "AA1"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestHoldSeatsRefuses(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	other := testkit.SeatIDs(t, f.pool, testkit.NewShow(t, f.pool, testkit.Show{}))
	started := testkit.NewShow(t, f.pool, testkit.Show{Start: time.Now().Add(-time.Minute)})
	deleted := testkit.NewShow(t, f.pool, testkit.Show{})
	testkit.Exec(t, f.pool, `UPDATE shows SET deleted_at = now() WHERE show_id = $1`, deleted)

	cases := map[string]struct {
		show  int64
		seats []int64
		want  *domain.Error
	}{
		"no such show":        {show: 1 << 62, seats: f.seats[:1], want: domain.ErrShowNotFound},
		"deleted show":        {show: deleted, seats: testkit.SeatIDs(t, f.pool, deleted)[:1], want: domain.ErrShowNotFound},
		"started show":        {show: started, seats: testkit.SeatIDs(t, f.pool, started)[:1], want: domain.ErrShowStarted},
		"seat of elsewhere":   {show: f.show, seats: []int64{f.seats[0], other[0]}, want: domain.ErrInvalidSeats},
		"more than the limit": {show: f.show, seats: f.seats[:6], want: domain.ErrSeatLimit},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := f.store.HoldSeats(context.Background(), service.NewHold{
				UserID: user, ShowID: c.show, SeatIDs: c.seats, LockToken: "t", HoldFor: time.Minute, UserLimit: 5,
			})
			wantCode(t, err, c.want)
		})
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM bookings`); n != 0 {
		t.Errorf("%d bookings were made", n)
	}
	_, err := f.hold(user, f.seats[0], other[0])
	if diff := cmp.Diff([]int64{other[0]}, field[[]int64](t, err, "invalid_seats")); diff != "" {
		t.Error(diff)
	}
}

// race runs n calls at once and gives their errors.
func race(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}

// count gives how many errors are nil and how many are want, and fails the test on any other.
func count(t *testing.T, errs []error, want ...*domain.Error) (won, lost int) {
	t.Helper()
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case matches(err, want):
			lost++
		default:
			t.Errorf("unexpected error: %v", err)
		}
	}
	return won, lost
}

func matches(err error, want []*domain.Error) bool {
	for _, w := range want {
		if errors.Is(err, w) {
			return true
		}
	}
	return false
}

func users(t *testing.T, f fixture, n int) []int64 {
	t.Helper()
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = testkit.NewUser(t, f.pool)
	}
	return ids
}

// PostgreSQL alone decides here: this is what holds when Redis is gone.
func TestOneSeatIsHeldOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	crowd := users(t, f, 50)
	errs := race(50, func(i int) error {
		_, err := f.hold(crowd[i], f.seats[0])
		return err
	})
	if won, lost := count(t, errs, domain.ErrSeatsUnavailable); won != 1 || lost != 49 {
		t.Errorf("%d won and %d lost, want 1 and 49", won, lost)
	}
	f.audit(t)
}

func TestCrossingSeatSetsNeitherDeadlockNorHalfLock(t *testing.T) {
	t.Parallel()
	f := setup(t)
	crowd := users(t, f, 24)
	before := deadlocks(t, f)
	for round := range 10 {
		errs := race(len(crowd), func(i int) error {
			seats := []int64{f.seats[i%5], f.seats[i%5+1], f.seats[i%5+2]}
			_, err := f.hold(crowd[i], seats...)
			return err
		})
		if won, _ := count(t, errs, domain.ErrSeatsUnavailable); won == 0 {
			t.Errorf("round %d: nobody got a seat", round)
		}
		f.audit(t)
		// Everybody's time runs out: the next round has to end those holds on its way.
		testkit.Exec(t, f.pool, `UPDATE bookings SET expires_at = now() WHERE status = 'PENDING'`)
	}
	if after := deadlocks(t, f); after != before {
		t.Errorf("PostgreSQL resolved %d deadlocks", after-before)
	}
}

// deadlocks gives how many deadlocks PostgreSQL has seen in this database.
func deadlocks(t *testing.T, f fixture) int64 {
	t.Helper()
	testkit.Exec(t, f.pool, `SELECT pg_stat_force_next_flush()`)
	return testkit.Value[int64](t, f.pool, `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`)
}

func TestUserLimitHoldsAgainstParallelLocks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	errs := race(20, func(i int) error {
		_, err := f.store.HoldSeats(context.Background(), service.NewHold{
			UserID: user, ShowID: f.show, SeatIDs: []int64{f.seats[i%10]}, LockToken: "t", HoldFor: time.Minute, UserLimit: 4,
		})
		return err
	})
	if won, _ := count(t, errs, domain.ErrSeatsUnavailable, domain.ErrSeatLimit); won != 4 {
		t.Errorf("one user holds %d seats, the limit is 4", won)
	}
	f.audit(t)
}

func TestUserLimitCountsLiveBookingsOnly(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := func(seats ...int64) (domain.Hold, error) {
		return f.store.HoldSeats(context.Background(), service.NewHold{
			UserID: user, ShowID: f.show, SeatIDs: seats, LockToken: "t", HoldFor: time.Minute, UserLimit: 2,
		})
	}
	first, err := hold(f.seats[0], f.seats[1])
	if err != nil {
		t.Fatal(err)
	}
	_, err = hold(f.seats[2])
	wantCode(t, err, domain.ErrSeatLimit)
	testkit.Expire(t, f.pool, first.ID)
	if _, err = hold(f.seats[2]); err != nil {
		t.Errorf("an expired hold still counts: %v", err)
	}
}

func TestExpiredHoldIsTakenOverAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first, second := testkit.NewUser(t, f.pool), testkit.NewUser(t, f.pool)
	old := f.mustHold(t, first, f.seats[0], f.seats[1], f.seats[2])
	f.pay(t, old)
	testkit.Expire(t, f.pool, old.ID)

	f.mustHold(t, second, f.seats[1])

	status := f.status(t)
	if status[f.seats[0]] != "AVAILABLE" || status[f.seats[1]] != "LOCKED" || status[f.seats[2]] != "AVAILABLE" {
		t.Errorf("seats stand at %v", status)
	}
	reason := testkit.Value[string](t, f.pool, `SELECT cancel_reason FROM bookings WHERE booking_id = $1`, old.ID)
	if reason != "expired" {
		t.Errorf("the old booking was cancelled by %q", reason)
	}
	f.audit(t) // also: what was paid for the old booking was given back
}

func TestExpiredHoldIsTakenOverOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	old := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0], f.seats[1])
	testkit.Expire(t, f.pool, old.ID)
	crowd := users(t, f, 20)
	errs := race(20, func(i int) error {
		_, err := f.hold(crowd[i], f.seats[i%2])
		return err
	})
	if won, lost := count(t, errs, domain.ErrSeatsUnavailable); won != 2 || lost != 18 {
		t.Errorf("%d won and %d lost, want 2 and 18", won, lost)
	}
	f.audit(t)
}
