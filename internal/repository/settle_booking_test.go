package repository_test

import (
	"context"
	"errors"
	"testing"

	"evently/internal/domain"
	"evently/internal/testkit"
)

func TestConfirmNeedsPaymentAndTime(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := f.mustHold(t, user, f.seats[0], f.seats[1])

	if b, err := f.store.ConfirmBooking(ctx, user, hold.ID); err != nil || b.Changed || b.Paid {
		t.Errorf("unpaid: %+v, %v", b, err)
	}
	_, err := f.store.ConfirmBooking(ctx, testkit.NewUser(t, f.pool), hold.ID)
	wantCode(t, err, domain.ErrBookingNotFound)

	f.pay(t, hold)
	for _, changed := range []bool{true, false} {
		b, err := f.store.ConfirmBooking(ctx, user, hold.ID)
		if err != nil || b.Status != domain.BookingConfirmed || b.Changed != changed || len(b.Seats) != 2 {
			t.Errorf("confirm (first: %v): %+v, %v", changed, b, err)
		}
	}
	if status := f.status(t); status[f.seats[0]] != "BOOKED" || status[f.seats[1]] != "BOOKED" {
		t.Errorf("seats stand at %v", status)
	}

	late := f.mustHold(t, user, f.seats[2])
	f.pay(t, late)
	testkit.Expire(t, f.pool, late.ID)
	if b, err := f.store.ConfirmBooking(ctx, user, late.ID); err != nil || b.Changed || !b.Overdue {
		t.Errorf("overdue: %+v, %v", b, err)
	}
	f.audit(t)
}

func TestCancelFreesSeatsAndRefunds(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := f.mustHold(t, user, f.seats[0])
	f.pay(t, hold)
	if _, err := f.store.ConfirmBooking(ctx, user, hold.ID); err != nil {
		t.Fatal(err)
	}
	b, err := f.store.CancelBooking(ctx, user, hold.ID)
	if err != nil || !b.Changed || b.Refund == nil || b.Refund.Amount != hold.Amount || b.Refund.TransactionID != transaction(hold.ID) {
		t.Errorf("cancel: %+v, refund %+v, %v", b, b.Refund, err)
	}
	if b, err := f.store.CancelBooking(ctx, user, hold.ID); err != nil || b.Changed || b.Refund != nil {
		t.Errorf("cancel again: %+v, %v", b, err)
	}
	if status := f.status(t); status[f.seats[0]] != "AVAILABLE" {
		t.Errorf("the seat is %s", status[f.seats[0]])
	}
	f.audit(t)
}

func TestConfirmAgainstCancel(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for range 25 {
		hold := f.mustHold(t, user, f.seats[0], f.seats[1])
		f.pay(t, hold)
		errs := race(2, func(i int) error {
			if i == 0 {
				_, err := f.store.ConfirmBooking(ctx, user, hold.ID)
				return err
			}
			_, err := f.store.CancelBooking(ctx, user, hold.ID)
			return err
		})
		count(t, errs)
		// Cancel comes last or first, but it always wins: a confirmed booking can be cancelled.
		status := testkit.Value[string](t, f.pool, `SELECT status::text FROM bookings WHERE booking_id = $1`, hold.ID)
		if status != "CANCELLED" {
			t.Fatalf("the booking is %s", status)
		}
		f.audit(t)
	}
}

// A hold's time runs out while its user confirms, pays and cancels it, others take its seats and
// the cleanup runs: whatever comes first, no money and no seat is lost.
func TestExpiryAgainstEverybody(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user, other := testkit.NewUser(t, f.pool), testkit.NewUser(t, f.pool)
	for range 25 {
		hold := f.mustHold(t, user, f.seats[0], f.seats[1])
		errs := race(6, func(i int) error {
			var err error
			switch i {
			case 0:
				_, err = f.pool.Exec(ctx, `UPDATE bookings SET expires_at = now() WHERE booking_id = $1 AND status = 'PENDING'`, hold.ID)
			case 1:
				_, err = f.store.RecordPayment(ctx, user, hold.ID, transaction(hold.ID))
			case 2:
				_, err = f.store.ConfirmBooking(ctx, user, hold.ID)
			case 3:
				_, err = f.store.ExpireBookings(ctx, 10)
			case 4:
				_, err = f.hold(other, f.seats[1], f.seats[2])
			case 5:
				_, err = f.store.ExpireBooking(ctx, hold.ID)
			}
			return err
		})
		count(t, errs, domain.ErrSeatsUnavailable)
		f.audit(t)
		testkit.Exec(t, f.pool, `UPDATE bookings SET expires_at = now() WHERE status = 'PENDING'`)
		if _, err := f.store.ExpireBookings(ctx, 100); err != nil {
			t.Fatal(err)
		}
		if _, err := f.store.CancelBooking(ctx, user, hold.ID); err != nil {
			t.Fatal(err)
		}
		f.audit(t)
	}
}

func TestPaymentsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := f.mustHold(t, user, f.seats[0])
	got := make([]string, 10)
	errs := race(10, func(i int) error {
		// Two transactions for one booking: the constraint must let one of them through.
		b, err := f.store.RecordPayment(ctx, user, hold.ID, transaction(int64(i%2)))
		if err == nil {
			got[i] = b.Paid.TransactionID
		}
		return err
	})
	count(t, errs)
	for _, id := range got {
		if id != got[0] {
			t.Fatalf("payments answered with different transactions: %v", got)
		}
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM payments WHERE status = 'succeeded'`); n != 1 {
		t.Errorf("%d payments succeeded", n)
	}
	f.audit(t)
}

func TestLatePaymentIsRefunded(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := f.mustHold(t, user, f.seats[0])
	testkit.Expire(t, f.pool, hold.ID)
	for range 2 {
		b, err := f.store.RecordPayment(ctx, user, hold.ID, transaction(hold.ID))
		if err != nil || b.Paid != nil || !b.Overdue {
			t.Fatalf("late: %+v, %v", b, err)
		}
	}
	status := testkit.Value[[]string](t, f.pool, `SELECT array_agg(status) FROM payments WHERE booking_id = $1`, hold.ID)
	if len(status) != 1 || status[0] != "refunded" {
		t.Errorf("payments are %v, want one that is refunded", status)
	}
	f.audit(t)
}

func TestExpireBookingsInBatches(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	alive := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[9])
	for _, seat := range f.seats[:9] {
		testkit.Expire(t, f.pool, f.mustHold(t, testkit.NewUser(t, f.pool), seat).ID)
	}
	// Several instances clean up at once: each hold is ended by exactly one of them.
	ended := make([]int, 5)
	errs := race(5, func(i int) error {
		for {
			locks, err := f.store.ExpireBookings(ctx, 2)
			ended[i] += len(locks)
			if err != nil || len(locks) == 0 {
				return err
			}
		}
	})
	count(t, errs)
	total := 0
	for _, n := range ended {
		total += n
	}
	if total != 9 {
		t.Errorf("%d holds were ended, want 9", total)
	}
	if b, err := f.store.BookingForPayment(ctx, alive.UserID, alive.ID); err != nil || b.Status != domain.BookingPending {
		t.Errorf("a live hold was touched: %+v, %v", b, err)
	}
	f.audit(t)
}

func TestInTxUndoesEverything(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	broken := errors.New("broken")
	err := f.store.InTx(context.Background(), func(ctx context.Context) error {
		if err := f.store.InTx(ctx, func(ctx context.Context) error {
			_, err := f.store.BookingForPayment(ctx, user, 1)
			if !errors.Is(err, domain.ErrBookingNotFound) {
				t.Errorf("got %v", err)
			}
			return nil
		}); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, domain.ErrInternal) || !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
