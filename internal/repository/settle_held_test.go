package repository_test

import (
	"context"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/service"
	"evently/internal/testkit"
)

// What nearly everybody does waits for the database once for each step.
func TestEachStepOfABookingIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	pool, count := testkit.CountingPool(t)
	store := repository.New(pool, repository.Options{})
	user, show := testkit.NewUser(t, pool), testkit.NewShow(t, pool, testkit.Show{})
	seats := testkit.SeatIDs(t, pool, show)
	hold := service.NewHold{UserID: user, ShowID: show, SeatIDs: seats[:2], LockToken: "t", HoldFor: time.Minute, UserLimit: 9}
	if _, err := store.HoldSeats(ctx, hold); err != nil { // opens the connection
		t.Fatal(err)
	}
	hold.SeatIDs = seats[2:4]
	count.Reset()
	once := func(step string, err error) {
		t.Helper()
		if n := count.RoundTrips(); err != nil || n != 1 {
			t.Errorf("%s: %d round trips, %v: %q", step, n, err, count.Statements())
		}
		count.Reset()
	}
	held, err := store.HoldSeats(ctx, hold)
	once("hold", err)
	_, err = store.RecordPayment(ctx, user, held.ID, transaction(held.ID))
	once("pay", err)
	_, err = store.ConfirmBooking(ctx, user, held.ID)
	once("confirm", err)
	_, err = store.CancelBooking(ctx, user, held.ID)
	once("cancel", err)
	f.audit(t)
}

// In a transaction that goes on, seats that were locked in vain would stay locked while holds are
// waited for, against the order of locks.
func TestInATransactionAHoldLocksBookingsBeforeSeats(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	old := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[1])
	testkit.Expire(t, f.pool, old.ID)
	_, do := begin(t, f.pool)
	do(`SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE`, old.ID)
	user := testkit.NewUser(t, f.pool)
	held := make(chan error, 1)
	go func() {
		held <- f.store.InTx(ctx, func(ctx context.Context) error {
			_, err := f.store.HoldSeats(ctx, service.NewHold{
				UserID: user, ShowID: f.show, SeatIDs: []int64{f.seats[0], f.seats[1]}, LockToken: "t", HoldFor: time.Minute,
			})
			return err
		})
	}()
	waitUntilBlocked(t, f.pool, 1)
	do(lockSeat, f.show, f.seats[0]) // NOWAIT: it is nobody's yet
	do(`ROLLBACK`)
	if err := <-held; err != nil {
		t.Error(err)
	}
}

// A payment is being recorded while its booking is confirmed: the confirmation waits for it.
func TestConfirmWaitsForAPaymentInFlight(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := f.mustHold(t, user, f.seats[0])
	tx, do := begin(t, f.pool)
	do(`SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE`, hold.ID)
	do(`INSERT INTO payments (booking_id, transaction_id, amount, status) VALUES ($1, 'in flight', 450, 'succeeded')`, hold.ID)
	confirmed := make(chan service.SettledBooking, 1)
	go func() {
		b, err := f.store.ConfirmBooking(ctx, user, hold.ID)
		if err != nil {
			t.Error(err)
		}
		confirmed <- b
	}()
	waitUntilBlocked(t, f.pool, 1)
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	if b := <-confirmed; !b.Changed || b.Status != domain.BookingConfirmed {
		t.Errorf("%+v", b)
	}
	f.audit(t)
}

// cancelInFlight cancels a booking in a transaction that is still open.
const cancelInFlight = `
	WITH booking AS (
		UPDATE bookings SET status = 'CANCELLED', cancel_reason = 'user', cancelled_at = now()
		WHERE booking_id = $1
		RETURNING booking_id
	), refunded AS (
		UPDATE payments SET status = 'refunded', refunded_at = now()
		FROM booking
		WHERE payments.booking_id = booking.booking_id
	)
	UPDATE show_seats SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
	FROM booking
	WHERE show_seats.booking_id = booking.booking_id`

// A booking is being cancelled when it is paid or confirmed: both look again at what came of it.
func TestACancellationInFlightIsWaitedFor(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for name, step := range map[string]func(f fixture, user int64, hold domain.Hold) (took bool, err error){
		"pay": func(f fixture, user int64, hold domain.Hold) (bool, error) {
			b, err := f.store.RecordPayment(ctx, user, hold.ID, transaction(hold.ID))
			return b.Paid != nil, err
		},
		"confirm": func(f fixture, user int64, hold domain.Hold) (bool, error) {
			b, err := f.store.ConfirmBooking(ctx, user, hold.ID)
			return b.Confirmed(), err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			user := testkit.NewUser(t, f.pool)
			hold := f.mustHold(t, user, f.seats[0])
			if name == "confirm" {
				f.pay(t, hold)
			}
			tx, do := begin(t, f.pool)
			do(cancelInFlight, hold.ID)
			done := make(chan struct{})
			go func() {
				defer close(done)
				if took, err := step(f, user, hold); took || err != nil {
					t.Errorf("it went through (%v), %v", took, err)
				}
			}()
			waitUntilBlocked(t, f.pool, 1)
			if err := tx.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			<-done
			f.audit(t)
		})
	}
}
