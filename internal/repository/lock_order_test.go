package repository_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

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

// waitUntilBlocked returns when a statement in this database waits for a lock.
func waitUntilBlocked(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for range 3000 { // each time the database itself waits a little: a minute in all
		if testkit.Value[bool](t, pool, `
			SELECT EXISTS (
				SELECT FROM pg_sleep(0.02), pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock'
			)`) {
			return
		}
	}
	t.Fatal("nothing waits for a lock")
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
	waitUntilBlocked(t, f.pool)
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

	const lockSeat = `SELECT FROM show_seats WHERE show_id = $1 AND seat_id = $2 FOR UPDATE NOWAIT`
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	taken := make(chan error, 1)
	go func() {
		_, err := f.hold(taker, f.seats[1])
		taken <- err
	}()
	waitUntilBlocked(t, f.pool)
	do(lockSeat, f.show, f.seats[1])
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	f.audit(t)
}
