package repository_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/testkit"
)

// patience is how long a test waits for what must not wait for a lock.
const patience = 20 * time.Second

// begin opens a transaction that the test ends by commit, or that is rolled back at the test's end.
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

// start runs call, which must wait for a lock once n statements in all do, and returns its error when
// it has ended.
func start(t *testing.T, pool *pgxpool.Pool, n int, call func() error) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	for {
		waiting := testkit.Value[int](t, pool, `
			SELECT count(*)
			FROM pg_sleep(0.01), pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`)
		if waiting >= n {
			return done
		}
		select {
		case err := <-done:
			t.Fatalf("did not wait for a lock: %v", err)
		default:
		}
	}
}

// within returns the error of call, which must not wait for a lock.
func within(t *testing.T, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("waits for a lock")
		return nil
	}
}

func end(t *testing.T, end func(context.Context) error) {
	t.Helper()
	if err := end(context.Background()); err != nil {
		t.Fatal(err)
	}
}

const (
	lockSeat       = `SELECT FROM show_seats WHERE show_id = $1 AND seat_id = $2 FOR UPDATE NOWAIT`
	lockShow       = `SELECT pg_advisory_xact_lock(hashtextextended('show ' || $1::bigint, 0))`
	lockShowShared = `SELECT pg_advisory_xact_lock_shared(hashtextextended('show ' || $1::bigint, 0))`
	lockBooking    = `SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE NOWAIT`
)

// Three requests have found the seat available before the first of them goes on.
func TestLocks_SeatsAreReadUnderTheirLocks(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	var ended []<-chan error
	for i, user := range users(t, f, 3) {
		ended = append(ended, start(t, f.pool, i+1, func() error {
			_, err := f.hold(user, f.seats[0])
			return err
		}))
	}
	end(t, tx.Rollback)
	if won, lost := count(t, []error{<-ended[0], <-ended[1], <-ended[2]}, domain.ErrSeatsUnavailable); won != 1 || lost != 2 {
		t.Errorf("%d won and %d lost, want 1 and 2", won, lost)
	}
	f.audit(t)
}

// Two holds of one user overlap on different seats: the second counts the seats of the first.
func TestLocks_UserLimitIsCountedUnderItsLock(t *testing.T) {
	t.Parallel()
	f := setup(t).limited(t, 1)
	user := testkit.NewUser(t, f.pool)
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	do(lockSeat, f.show, f.seats[1])
	var ended []<-chan error
	for i, seat := range f.seats[:2] {
		ended = append(ended, start(t, f.pool, i+1, func() error {
			_, err := f.hold(user, seat)
			return err
		}))
	}
	end(t, tx.Rollback)
	if won, lost := count(t, []error{<-ended[0], <-ended[1]}, domain.ErrSeatLimit); won != 1 || lost != 1 {
		t.Errorf("%d won and %d lost, want 1 and 1", won, lost)
	}
}

func TestLocks_HoldWaitsForAPriceChange(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	tx, do := begin(t, f.pool)
	do(lockShow, f.show)
	do(`UPDATE shows SET price = 500 WHERE show_id = $1`, f.show)
	var hold domain.BookingDetails
	ended := start(t, f.pool, 1, func() (err error) {
		hold, err = f.hold(user, f.seats[0])
		return err
	})
	end(t, tx.Commit)
	if err := <-ended; err != nil || hold.Amount != 50000 {
		t.Errorf("held for %s, %v", hold.Amount, err)
	}
	f.audit(t)
}

func TestLocks_PriceChangeWaitsForAHold(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	var hold domain.BookingDetails
	held := start(t, f.pool, 1, func() (err error) {
		hold, err = f.hold(user, f.seats[0])
		return err
	})
	changed := start(t, f.pool, 2, func() error {
		return f.changePrice()
	})
	end(t, tx.Rollback)
	count(t, []error{<-held, <-changed})
	if hold.Amount != 45000 || hold.Show.Price != 45000 {
		t.Errorf("held for %s in a show of %s", hold.Amount, hold.Show.Price)
	}
	f.audit(t)
}

// changePrice changes the price as an admin does.
func (f fixture) changePrice() error {
	store := repository.New(f.pool, repository.Options{})
	return store.InTx(context.Background(), func(ctx context.Context) error {
		show, err := store.LockShow(ctx, f.show)
		if err != nil {
			return err
		}
		show.Price = 50000
		return store.UpdateShow(ctx, show)
	})
}

// While a hold is being made a change of the show waits; a second hold waits behind the change, so that
// changes get their turn however many people book.
func TestLocks_ChangeOfAShowGetsItsTurn(t *testing.T) {
	t.Parallel()
	f := setup(t)
	tx, do := begin(t, f.pool)
	do(lockShowShared, f.show)
	changed := start(t, f.pool, 1, f.changePrice)
	var hold domain.BookingDetails
	held := start(t, f.pool, 2, func() (err error) {
		hold, err = f.hold(testkit.NewUser(t, f.pool), f.seats[0])
		return err
	})
	end(t, tx.Rollback)
	count(t, []error{<-changed, <-held})
	if hold.Amount != 50000 {
		t.Errorf("held for %s, want the price of the change before it", hold.Amount)
	}
}

// A confirmation begins before the end of its hold and waits. After the end the user locks other seats, which
// do not count the hold. Then it must not be confirmed.
func TestLocks_ConfirmationThatWaitedPastTheEndIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t).limited(t, 2)
	user := testkit.NewUser(t, f.pool)
	first := f.mustHold(t, user, f.seats[0], f.seats[1])
	f.mustPay(t, first)
	tx, do := begin(t, f.pool)
	do(`SELECT pg_advisory_xact_lock(hashtextextended('user ' || $1::bigint, 0))`, user)
	confirmed := start(t, f.pool, 1, func() error { _, err := f.confirm(first); return err })
	testkit.Exec(t, f.pool, `UPDATE bookings SET expires_at = clock_timestamp() WHERE booking_id = $1`, first.ID)
	end(t, tx.Rollback)
	wantCode(t, <-confirmed, domain.ErrHoldExpired)
	f.mustHold(t, user, f.seats[2], f.seats[3])
	f.audit(t)
}

func TestLocks_CancelWaitsForAChangeOfTheShow(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	tx, do := begin(t, f.pool)
	do(lockShow, f.show)
	do(`UPDATE shows SET start_time = now() WHERE show_id = $1`, f.show)
	cancelled := start(t, f.pool, 1, func() error { _, err := f.cancel(hold); return err })
	end(t, tx.Commit)
	wantCode(t, <-cancelled, domain.ErrShowStarted)
}

func TestLocks_SweepSkipsLockedHolds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	busy, idle := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0]), f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[1])
	testkit.Expire(t, f.pool, busy.ID)
	testkit.Expire(t, f.pool, idle.ID)
	_, do := begin(t, f.pool)
	do(lockBooking, busy.ID)
	err := within(t, func() error {
		n, err := f.bookings.ExpireDue(context.Background())
		if n != 1 {
			t.Errorf("%d holds were ended", n)
		}
		return err
	})
	if err != nil || f.bookingStatus(t, idle.ID) != "CANCELLED expired" || f.bookingStatus(t, busy.ID) != "PENDING" {
		t.Errorf("idle is %s, busy is %s, %v", f.bookingStatus(t, idle.ID), f.bookingStatus(t, busy.ID), err)
	}
}

func TestLocks_PaymentJobsSkipLockedPayments(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	busy, idle := f.mustHold(t, user, f.seats[0]), f.mustHold(t, user, f.seats[1])
	for _, b := range []domain.BookingDetails{busy, idle} {
		f.mustPay(t, b)
		if _, err := f.cancel(b); err != nil {
			t.Fatal(err)
		}
	}
	_, do := begin(t, f.pool)
	do(`SELECT FROM payments WHERE booking_id = $1 FOR UPDATE`, busy.ID)
	err := within(t, func() error {
		_, err := f.payments.Refund(context.Background())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	got := [][]string{f.paymentStatus(t, busy.ID), f.paymentStatus(t, idle.ID)}
	if diff := cmp.Diff([][]string{{"refund_pending"}, {"refunded"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The second step of a payment is committed while another user takes the seat of the expired hold.
// Without the lock on that booking, the money of the payment would be lost.
func TestLocks_TakeoverWaitsForAPayment(t *testing.T) {
	t.Parallel()
	f := setup(t)
	old := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	testkit.Expire(t, f.pool, old.ID)
	taker := testkit.NewUser(t, f.pool)

	tx, do := begin(t, f.pool)
	do(lockBooking, old.ID)
	do(`INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
		VALUES ($1, 'in flight', 'in flight', 450, 'succeeded', now())`, old.ID)
	taken := start(t, f.pool, 1, func() error {
		_, err := f.hold(taker, f.seats[0])
		return err
	})
	end(t, tx.Commit)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"refund_pending"}, f.paymentStatus(t, old.ID)); diff != "" {
		t.Error(diff)
	}
	f.audit(t)
}

// A hold that ends another one locks the seats of both in ascending order: while it waits for the lowest
// it has none of the others.
func TestLocks_TakeoverLocksAllSeatsInOrder(t *testing.T) {
	t.Parallel()
	f := setup(t)
	old := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0], f.seats[1])
	testkit.Expire(t, f.pool, old.ID)
	taker := testkit.NewUser(t, f.pool)

	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	taken := start(t, f.pool, 1, func() error {
		_, err := f.hold(taker, f.seats[1])
		return err
	})
	do(lockSeat, f.show, f.seats[1])
	end(t, tx.Rollback)
	if err := <-taken; err != nil {
		t.Fatal(err)
	}
	f.audit(t)
}

func TestLocks_SeatsOfAHoldAreLockedInOrder(t *testing.T) {
	t.Parallel()
	f := setup(t).unsorted(t)
	f.descend(t)
	user := testkit.NewUser(t, f.pool)
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	held := start(t, f.pool, 1, func() error {
		_, err := f.hold(user, f.seats...)
		return err
	})
	for _, seat := range f.seats[1:] {
		do(lockSeat, f.show, seat)
	}
	end(t, tx.Rollback)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
}

func TestLocks_SeatsOfAConfirmedBookingAreLockedInOrder(t *testing.T) {
	t.Parallel()
	f := setup(t).unsorted(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats...)
	f.mustPay(t, hold)
	for step, call := range []func() error{
		func() error { _, err := f.confirm(hold); return err },
		func() error { _, err := f.cancel(hold); return err },
	} {
		f.descend(t)
		tx, do := begin(t, f.pool)
		do(lockSeat, f.show, f.seats[0])
		ended := start(t, f.pool, 1, call)
		for _, seat := range f.seats[1:] {
			do(lockSeat, f.show, seat)
		}
		end(t, tx.Rollback)
		if err := <-ended; err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	f.audit(t)
}

// descend stores the seats of the show, and those of its bookings, in descending order.
func (f fixture) descend(t *testing.T) {
	t.Helper()
	for _, table := range []string{"show_seats", "booking_seats"} {
		testkit.Exec(t, f.pool, fmt.Sprintf(`
			WITH gone AS (DELETE FROM %[1]s RETURNING *)
			INSERT INTO %[1]s SELECT * FROM gone ORDER BY seat_id DESC`, table))
	}
}

// unsorted returns the fixture with an instance whose statements scan tables, so that one without ORDER BY
// meets the seats in the order in which they are stored.
func (f fixture) unsorted(t *testing.T) fixture {
	t.Helper()
	config := f.pool.Config()
	for _, plan := range []string{"enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"} {
		config.ConnConfig.RuntimeParams[plan] = "off"
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	f.instance = newInstance(t, pool, rules())
	return f
}

// A hold that was committed, and has expired by the clock of this transaction, between two of its
// statements is not ended by it: its seats are not available to it either.
func TestLocks_HoldThatExpiresUnseenIsNotOverwritten(t *testing.T) {
	t.Parallel()
	f := setup(t)
	first, second := testkit.NewUser(t, f.pool), testkit.NewUser(t, f.pool)
	tx, do := begin(t, f.pool)
	do(`
		WITH hold AS (
			INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at)
			VALUES ($1, $2, 1, 450, 'short', now())
			RETURNING booking_id
		), seats AS (
			INSERT INTO booking_seats (booking_id, seat_id, price) SELECT booking_id, $3, 450 FROM hold
		)
		UPDATE show_seats SET status = 'LOCKED', locked_at = now(), booking_id = (SELECT booking_id FROM hold)
		WHERE show_id = $2 AND seat_id = $3`, first, f.show, f.seats[0])
	ended := start(t, f.pool, 1, func() error {
		_, err := f.hold(second, f.seats[0])
		return err
	})
	end(t, tx.Commit)
	if err := <-ended; err != nil {
		wantCode(t, err, domain.ErrSeatsUnavailable)
	}
	f.audit(t)
	f.mustHold(t, second, f.seats[0])
	f.audit(t)
}
