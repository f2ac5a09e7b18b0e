package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

func TestConfirm_NeedsPaymentAndTime(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold := f.mustHold(t, user, f.seats[0], f.seats[1])

	_, err := f.confirm(hold)
	wantCode(t, err, domain.ErrPaymentRequired)
	foreign := hold
	foreign.UserID = testkit.NewUser(t, f.pool)
	_, err = f.confirm(foreign)
	wantCode(t, err, domain.ErrBookingNotFound)

	f.mustPay(t, hold)
	for range 2 {
		b, err := f.confirm(hold)
		if err != nil || b.Status != domain.BookingConfirmed || len(b.Seats) != 2 || b.Payment == nil || b.HoldLeft != 0 {
			t.Errorf("confirm: %+v, %v", b, err)
		}
	}
	if status := f.status(t); status[f.seats[0]] != "BOOKED" || status[f.seats[1]] != "BOOKED" {
		t.Errorf("seats are %v", status)
	}
	f.audit(t)
}

func TestConfirm_ExpiredHoldEndsAndIsRefunded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[1], f.seats[0])
	f.mustPay(t, hold)
	testkit.Expire(t, f.pool, hold.ID)
	for range 2 {
		_, err := f.confirm(hold)
		wantCode(t, err, domain.ErrHoldExpired)
		if diff := cmp.Diff(f.seats[:2], field[[]int64](t, err, "expired_seats")); diff != "" {
			t.Error(diff)
		}
	}
	if got := f.bookingStatus(t, hold.ID); got != "CANCELLED expired" {
		t.Errorf("the booking is %s", got)
	}
	if diff := cmp.Diff([]string{"refund_pending"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Error(diff)
	}
	f.audit(t)
}

func TestCancel_FreesSeatsAndRefunds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for _, confirmed := range []bool{false, true} {
		hold := f.mustHold(t, user, f.seats[0])
		f.mustPay(t, hold)
		if confirmed {
			f.mustConfirm(t, hold)
		}
		b, err := f.cancel(hold)
		if err != nil || b.Status != domain.BookingCancelled || b.Payment == nil || !b.Payment.GivenBack() || b.Payment.Amount != hold.Amount {
			t.Errorf("cancel: %+v, payment %+v, %v", b, b.Payment, err)
		}
		details, err := f.store.BookingDetails(t.Context(), user, hold.ID)
		if err != nil || details.Payment == nil || !details.Payment.GivenBack() || len(details.Seats) != 1 {
			t.Errorf("details: %+v, payment %+v, %v", details, details.Payment, err)
		}
		_, err = f.cancel(hold)
		wantCode(t, err, domain.ErrBookingCancelled)
		if status := f.status(t); status[f.seats[0]] != "AVAILABLE" {
			t.Errorf("the seat is %s", status[f.seats[0]])
		}
		if diff := cmp.Diff([]string{"refund_pending"}, f.paymentStatus(t, hold.ID)); diff != "" {
			t.Error(diff)
		}
	}
	f.audit(t)
}

func TestCancel_UnpaidHoldHasNoRefund(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	if b, err := f.cancel(hold); err != nil || b.Payment != nil || f.around.wakes != 0 {
		t.Errorf("cancel: payment %+v, %d refunds woken, %v", b.Payment, f.around.wakes, err)
	}
	_, err := f.confirm(hold)
	wantCode(t, err, domain.ErrBookingNotPending)
}

func TestCancel_ExpiredHoldIsEnded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	testkit.Expire(t, f.pool, hold.ID)
	_, err := f.cancel(hold)
	wantCode(t, err, domain.ErrBookingCancelled)
	if got := f.bookingStatus(t, hold.ID); got != "CANCELLED expired" {
		t.Errorf("the booking is %s", got)
	}
	f.audit(t)
}

func TestCancel_StartedShowIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	testkit.Exec(t, f.pool, `UPDATE shows SET start_time = now() WHERE show_id = $1`, f.show)
	_, err := f.cancel(hold)
	wantCode(t, err, domain.ErrShowStarted)
}

func TestRace_ConfirmAndCancel(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for range 25 {
		hold := f.mustHold(t, user, f.seats[0], f.seats[1])
		f.mustPay(t, hold)
		errs := race(2, func(i int) (err error) {
			if i == 0 {
				_, err = f.confirm(hold)
			} else {
				_, err = f.cancel(hold)
			}
			return err
		})
		count(t, errs[1:])
		count(t, errs[:1], domain.ErrBookingNotPending)
		// A confirmed booking can be cancelled, so cancel always succeeds.
		if got := f.bookingStatus(t, hold.ID); got != "CANCELLED user" {
			t.Fatalf("the booking is %s", got)
		}
		f.audit(t)
	}
}

func TestRace_CancelAndExpiry(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for range 25 {
		hold := f.mustHold(t, user, f.seats[0], f.seats[1])
		f.mustPay(t, hold)
		errs := race(3, func(i int) (err error) {
			switch i {
			case 0:
				err = f.expireNow(hold)
			case 1:
				_, err = f.cancel(hold)
			case 2:
				_, err = f.bookings.ExpireDue(context.Background())
			}
			return err
		})
		count(t, errs, domain.ErrBookingCancelled)
		if _, err := f.bookings.ExpireDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		want := "CANCELLED user"
		if errs[1] != nil {
			want = "CANCELLED expired"
		}
		if got := f.bookingStatus(t, hold.ID); got != want {
			t.Fatalf("cancel returned %v and the booking is %s", errs[1], got)
		}
		if diff := cmp.Diff([]string{"refund_pending"}, f.paymentStatus(t, hold.ID)); diff != "" {
			t.Fatal(diff)
		}
		f.audit(t)
	}
}

// expireNow ends the time of a hold this moment.
func (f fixture) expireNow(hold domain.BookingDetails) error {
	_, err := f.pool.Exec(context.Background(), `
		UPDATE bookings SET expires_at = now() WHERE booking_id = $1 AND status = 'PENDING'`, hold.ID)
	return err
}

// A hold expires while its user pays, confirms and cancels it, others take its seats and two instances
// sweep. In any order, no money and no seat is lost.
func TestRace_AllStepsAndExpiry(t *testing.T) {
	t.Parallel()
	f := setup(t)
	second := newInstance(t, f.pool, rules())
	user, other := testkit.NewUser(t, f.pool), testkit.NewUser(t, f.pool)
	for round := range 25 {
		hold := f.mustHold(t, user, f.seats[0], f.seats[1])
		errs := race(7, func(i int) (err error) {
			switch i {
			case 0:
				err = f.expireNow(hold)
			case 1:
				_, err = f.pay(hold)
			case 2:
				_, err = f.confirm(hold)
			case 3:
				_, err = f.bookings.ExpireDue(context.Background())
			case 4:
				_, err = f.hold(other, f.seats[1], f.seats[2])
			case 5:
				_, err = second.bookings.ExpireDue(context.Background())
			case 6:
				if round%2 == 0 {
					_, err = f.cancel(hold)
				}
			}
			return err
		})
		count(t, errs, domain.ErrSeatsUnavailable, domain.ErrHoldExpired, domain.ErrPaymentRequired,
			domain.ErrBookingNotPending, domain.ErrBookingCancelled)
		f.audit(t)
		testkit.Exec(t, f.pool, `UPDATE bookings SET expires_at = now() WHERE status = 'PENDING'`)
		if _, err := f.bookings.ExpireDue(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := f.cancel(hold); err != nil {
			wantCode(t, err, domain.ErrBookingCancelled)
		}
		f.audit(t)
		if t.Failed() {
			t.FailNow()
		}
	}
	if _, err := f.payments.Refund(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantMoneyBalanced(t)
}

// wantMoneyBalanced fails the test unless every charge at the provider is the payment of a confirmed
// booking or refunded.
func (f fixture) wantMoneyBalanced(t *testing.T) {
	t.Helper()
	lost := testkit.Value[[]string](t, f.pool, `
		SELECT coalesce(array_agg(format('%s: %s of booking %s, which is %s', attempt_key, payments.status, booking_id, bookings.status)), '{}')
		FROM simulated_charges
		LEFT JOIN payments USING (attempt_key)
		LEFT JOIN bookings USING (booking_id)
		WHERE state = 'succeeded'
		  AND CASE WHEN simulated_charges.refunded_at IS NULL
		      THEN payments.status IS DISTINCT FROM 'succeeded' OR bookings.status = 'CANCELLED'
		      ELSE payments.status IS DISTINCT FROM 'refunded' END`)
	for _, line := range lost {
		t.Errorf("lost money: %s", line)
	}
}

// Two instances sweep at once, with two sweepers each: every hold is ended by one of them.
func TestExpireDue_TwoInstancesEndAThousandHoldsOnce(t *testing.T) {
	t.Parallel()
	const holds = 1000
	f := setup(t)
	f.show = testkit.NewShow(t, f.pool, testkit.Show{VenueID: testkit.NewVenue(t, f.pool, 20, holds/20)})
	f.seats = testkit.SeatIDs(t, f.pool, f.show)
	user := testkit.NewUser(t, f.pool)
	testkit.Exec(t, f.pool, `
		WITH numbered AS (
			SELECT seat_id, row_number() OVER (ORDER BY seat_id) AS n FROM show_seats WHERE show_id = $1
		), held AS (
			INSERT INTO bookings (booking_id, user_id, show_id, seat_count, amount, lock_token, expires_at)
			OVERRIDING SYSTEM VALUE
			SELECT 1000000 + n, $2, $1, 1, 450, n::text, CASE WHEN n <= $3 - 10 THEN now() - interval '1 minute' ELSE now() + interval '1 hour' END
			FROM numbered
		), paid AS (
			INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
			SELECT 1000000 + n, n::text, n::text, 450, 'succeeded', now() FROM numbered WHERE n % 10 = 0
		), taken AS (
			INSERT INTO booking_seats (booking_id, seat_id, price) SELECT 1000000 + n, seat_id, 450 FROM numbered
		)
		UPDATE show_seats SET status = 'LOCKED', booking_id = 1000000 + n, locked_at = now()
		FROM numbered
		WHERE show_seats.show_id = $1 AND show_seats.seat_id = numbered.seat_id`, f.show, user, holds)

	second := newInstance(t, f.pool, rules())
	ended := make([]int, 2)
	errs := race(2, func(i int) (err error) {
		ended[i], err = []instance{f.instance, second}[i].bookings.ExpireDue(context.Background())
		return err
	})
	count(t, errs)
	released := map[string]int{}
	for _, lock := range append(f.around.released, second.around.released...) {
		released[lock.Token]++
	}
	if total := ended[0] + ended[1]; total != holds-10 || len(released) != total || f.around.expired+second.around.expired != total {
		t.Errorf("%v holds were ended, of %d tokens, want %d", ended, len(released), holds-10)
	}
	for token, n := range released {
		if n != 1 {
			t.Errorf("the locks of hold %s were released %d times", token, n)
		}
	}
	got := testkit.Value[[]int](t, f.pool, `
		SELECT ARRAY[
			(SELECT count(*) FROM bookings WHERE cancel_reason = 'expired'),
			(SELECT count(*) FROM bookings WHERE status = 'PENDING'),
			(SELECT count(*) FROM show_seats WHERE show_id = $1 AND status = 'AVAILABLE'),
			(SELECT count(*) FROM payments WHERE status = 'refund_pending')]`, f.show)
	if diff := cmp.Diff([]int{holds - 10, 10, holds - 10, holds/10 - 1}, got); diff != "" {
		t.Errorf("expired, alive, seats available, refunds (-want +got):\n%s", diff)
	}
	if f.around.wakes+second.around.wakes == 0 {
		t.Error("no refund was woken")
	}
	f.audit(t)
}

// A statement that runs out of time is a database that is not available; a client that goes away is none.
func TestDeadline_LateIsUnavailableAndGoneIsCanceled(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	_, do := begin(t, f.pool)
	do(lockBooking, hold.ID)
	confirm := func(ctx context.Context) error {
		_, err := f.bookings.Confirm(ctx, hold.UserID, hold.ID, service.Request{Encoder: &encoder{}})
		return err
	}
	late, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	wantCode(t, confirm(late), domain.ErrDatabaseUnavailable)

	gone, leave := context.WithCancel(t.Context())
	ended := start(t, f.pool, 1, func() error { return confirm(gone) })
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) || errors.Is(err, domain.ErrDatabaseUnavailable) {
		t.Errorf("gone: %v", err)
	}
}
