package repository_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

// begin opens a transaction that the test ends by commit, or that is undone at the test's end.
func begin(t *testing.T, pool *pgxpool.Pool) (tx pgx.Tx, do func(sql string, args ...any)) {
	t.Helper()
	ctx := context.Background()
	tx, err := pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(ctx) })
	return tx, func(sql string, args ...any) {
		t.Helper()
		if _, err := tx.Exec(ctx, sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// waitUntilBlocked returns when n statements in this database wait for a lock.
func waitUntilBlocked(t *testing.T, pool *pgxpool.Pool, n int) {
	t.Helper()
	for range 3000 { // each time the database itself waits a little: a minute in all
		if testkit.Value[int](t, pool, `
			SELECT count(*)
			FROM pg_sleep(0.02), pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`) >= n {
			return
		}
	}
	t.Fatalf("there are no %d statements that wait for a lock", n)
}

const lockSeat = `SELECT FROM show_seats WHERE show_id = $1 AND seat_id = $2 FOR UPDATE NOWAIT`

// All who want the seat have looked at it, and found it free, when the first of them may go on. Each of the
// others must look again, at what the first has done.
func TestTheSeatsAreLookedAtUnderTheirLocks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	crowd := users(t, f, 3)
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	errs := make(chan error, len(crowd))
	for _, user := range crowd {
		go func() {
			_, err := f.hold(user, f.seats[0])
			errs <- err
		}()
	}
	waitUntilBlocked(t, f.pool, len(crowd))
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	if won, lost := count(t, []error{<-errs, <-errs, <-errs}, domain.ErrSeatsUnavailable); won != 1 || lost != 2 {
		t.Errorf("%d won and %d lost, want 1 and 2", won, lost)
	}
	f.audit(t)
}

// Two locks of one user run at the same time, held up at seats that are not the same: the second must
// count the seats of the first.
func TestTheUserLimitIsCountedUnderItsLock(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	do(lockSeat, f.show, f.seats[1])
	errs := make(chan error, 2)
	for _, seat := range f.seats[:2] {
		go func() {
			_, err := f.store.HoldSeats(context.Background(), service.NewHold{
				UserID: user, ShowID: f.show, SeatIDs: []int64{seat}, LockToken: "t", HoldFor: time.Minute, UserLimit: 1,
			})
			errs <- err
		}()
	}
	waitUntilBlocked(t, f.pool, 2)
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	if won, lost := count(t, []error{<-errs, <-errs}, domain.ErrSeatLimit); won != 1 || lost != 1 {
		t.Errorf("%d won and %d lost, want 1 and 1", won, lost)
	}
}

// A booking that somebody is at work on is left to them: the cleanup goes on with the others.
func TestExpiryPassesOverWhatIsLocked(t *testing.T) {
	t.Parallel()
	f := setup(t)
	busy, idle := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0]), f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[1])
	testkit.Expire(t, f.pool, busy.ID)
	testkit.Expire(t, f.pool, idle.ID)
	_, do := begin(t, f.pool)
	do(`SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE`, busy.ID)

	patience, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	locks, err := f.store.ExpireBookings(patience, 10)
	if err != nil || len(locks) != 1 || locks[0].SeatIDs[0] != f.seats[1] {
		t.Errorf("ended %+v, %v", locks, err)
	}
}

// A payment is being recorded when the hold's time runs out and somebody takes its seat: the taker
// must wait for the payment and refund it. Without the lock on the overdue booking it would not
// see the payment, and the money would be lost.
func TestTakingOverWaitsForAPaymentInFlight(t *testing.T) {
	t.Parallel()
	f := setup(t)
	old := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	testkit.Expire(t, f.pool, old.ID)
	taker := testkit.NewUser(t, f.pool)

	tx, do := begin(t, f.pool)
	do(`SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE`, old.ID)
	do(`INSERT INTO payments (booking_id, transaction_id, amount, status) VALUES ($1, 'in flight', 450, 'succeeded')`, old.ID)
	taken := make(chan error, 1)
	go func() {
		_, err := f.hold(taker, f.seats[0])
		taken <- err
	}()
	waitUntilBlocked(t, f.pool, 1)
	if err := tx.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	f.audit(t)
}

// Who takes one seat of an expired hold frees its other seats too. All of them are locked in
// ascending order first: a taker that waits for a low seat must not have a high one already.
func TestTakingOverLocksAllSeatsInOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	old := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0], f.seats[1])
	testkit.Expire(t, f.pool, old.ID)
	taker := testkit.NewUser(t, f.pool)

	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	taken := make(chan error, 1)
	go func() {
		_, err := f.hold(taker, f.seats[1])
		taken <- err
	}()
	waitUntilBlocked(t, f.pool, 1)
	do(lockSeat, f.show, f.seats[1])
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	f.audit(t)
}
