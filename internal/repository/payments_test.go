package repository_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/payment"
	"evently/internal/service"
	"evently/internal/testkit"
)

func TestPay_ChargesOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	first, err := f.pay(hold)
	if err != nil || first.Payment == nil || first.Payment.Status != domain.PaymentSucceeded || first.Payment.TransactionID == "" {
		t.Fatalf("paid %+v, %v", first.Payment, err)
	}
	again, err := f.pay(hold)
	if err != nil || again.Payment.TransactionID != first.Payment.TransactionID {
		t.Errorf("paid again %+v, %v", again.Payment, err)
	}
	f.mustConfirm(t, hold)
	again, err = f.pay(hold)
	if err != nil || again.Payment.TransactionID != first.Payment.TransactionID {
		t.Errorf("paid after confirm %+v, %v", again.Payment, err)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM simulated_charges`); n != 1 {
		t.Errorf("the provider charged %d times", n)
	}
	f.audit(t)
}

func TestPay_Refusals(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	hold, cancelled, expired := f.mustHold(t, user, f.seats[0]), f.mustHold(t, user, f.seats[1]), f.mustHold(t, user, f.seats[2])
	if _, err := f.cancel(cancelled); err != nil {
		t.Fatal(err)
	}
	testkit.Expire(t, f.pool, expired.ID)

	_, err := f.pay(cancelled)
	wantCode(t, err, domain.ErrBookingNotPending)
	_, err = f.pay(expired)
	wantCode(t, err, domain.ErrHoldExpired)
	if diff := cmp.Diff(f.seats[2:3], field[[]int64](t, err, "expired_seats")); diff != "" {
		t.Error(diff)
	}
	wrong := hold
	wrong.Amount--
	_, err = f.pay(wrong)
	wantCode(t, err, domain.ErrAmountMismatch)
	if got := field[json.Number](t, err, "expected_amount"); got != "450" {
		t.Errorf("expected amount is %s", got)
	}
	wrong = hold
	wrong.UserID = testkit.NewUser(t, f.pool)
	_, err = f.pay(wrong)
	wantCode(t, err, domain.ErrBookingNotFound)
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM payments`); n != 0 {
		t.Errorf("%d payments are on record", n)
	}
	if got := f.bookingStatus(t, expired.ID); got != "CANCELLED expired" {
		t.Errorf("the expired hold is %s", got)
	}
}

func TestPay_ParallelRequestsAreOneCharge(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	transactions := make([]string, 10)
	errs := race(len(transactions), func(i int) error {
		b, err := f.pay(hold)
		if err == nil {
			transactions[i] = b.Payment.TransactionID
		}
		return err
	})
	count(t, errs)
	for _, id := range transactions {
		if id != transactions[0] {
			t.Fatalf("payments returned different transactions: %v", transactions)
		}
	}
	if diff := cmp.Diff([]string{"succeeded"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Error(diff)
	}
	f.wantMoneyBalanced(t)
	f.audit(t)
}

// Two first payments wait for the booking: the second finds the attempt of the first.
func TestPay_SecondFirstPaymentUsesTheOpenAttempt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	tx, do := begin(t, f.pool)
	do(lockBooking, hold.ID)
	pay := func() error { _, err := f.pay(hold); return err }
	first := start(t, f.pool, 1, pay)
	second := start(t, f.pool, 2, pay)
	end(t, tx.Rollback)
	count(t, []error{<-first, <-second})
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM simulated_charges`); n != 1 {
		t.Errorf("the provider charged %d times", n)
	}
}

func TestPayments_OneOpenPerBooking(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	f.mustPay(t, hold)
	_, err := f.pool.Exec(t.Context(), `
		INSERT INTO payments (booking_id, attempt_key, amount, status) VALUES ($1, 'second', 450, 'created')`, hold.ID)
	if err == nil {
		t.Error("a paid booking has an open payment, too")
	}
}

func TestPay_DeclinedCardCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for i, key := range []domain.RequestKey{{}, requestKey(user, "pay")} {
		hold := f.mustHold(t, user, f.seats[i])
		for range 2 {
			_, _, err := f.payBy(key, hold, payment.MethodDecline)
			wantCode(t, err, domain.ErrPaymentDeclined)
		}
		if _, _, err := f.payBy(key, hold, payment.MethodSuccess); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"failed", "failed", "succeeded"}, f.paymentStatus(t, hold.ID)); diff != "" {
			t.Error(diff)
		}
		f.mustConfirm(t, hold)
	}
	f.wantMoneyBalanced(t)
	f.audit(t)
}

// crash makes a payment whose process dies right after the provider has charged, or before it is asked.
func (f fixture) crash(t *testing.T, key domain.RequestKey, b domain.BookingDetails, before bool) {
	t.Helper()
	die := func(domain.Charge) error { panic("killed") }
	if before {
		f.provider.charging = die
	} else {
		f.provider.charged = die
	}
	defer func() {
		f.provider.charging, f.provider.charged = nil, nil
		if recover() == nil {
			t.Error("the process did not die")
		}
	}()
	_, _, _ = f.payBy(key, b, payment.MethodSuccess)
}

// age makes the open payments of all bookings as old as d.
func (f fixture) age(t *testing.T, d time.Duration) {
	t.Helper()
	testkit.Exec(t, f.pool, `
		UPDATE payments SET created_at = now() - $1::interval, attempted_at = now() - $1::interval, next_check_at = now() - $1::interval WHERE status = 'created'`, d)
}

func (f fixture) settleOpen(t *testing.T, want int) {
	t.Helper()
	if n, err := f.payments.SettleOpen(t.Context()); err != nil || n != want {
		t.Errorf("SettleOpen looked at %d payments, %v, want %d", n, err, want)
	}
}

func TestSettleOpen_ChargeThatWasNotRecordedSucceeds(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	f.crash(t, domain.RequestKey{}, hold, false)
	if diff := cmp.Diff([]string{"created"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Fatal(diff)
	}
	f.settleOpen(t, 0) // it may still be under way
	f.age(t, 3*time.Minute)
	f.settleOpen(t, 1)
	if diff := cmp.Diff([]string{"succeeded"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Fatal(diff)
	}
	f.settleOpen(t, 0)
	f.mustConfirm(t, hold)
	f.wantMoneyBalanced(t)
	f.audit(t)
}

func TestSettleOpen_ChargeOfAnEndedHoldIsRefunded(t *testing.T) {
	t.Parallel()
	for name, finish := range map[string]func(fixture, domain.BookingDetails) error{
		"expired":           func(f fixture, b domain.BookingDetails) error { return f.expireNow(b) },
		"expired and ended": func(f fixture, b domain.BookingDetails) error { return errors.Join(f.expireNow(b), f.sweep()) },
		"cancelled":         func(f fixture, b domain.BookingDetails) error { _, err := f.cancel(b); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
			f.crash(t, domain.RequestKey{}, hold, false)
			if err := finish(f, hold); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"created"}, f.paymentStatus(t, hold.ID)); diff != "" {
				t.Fatal(diff)
			}
			f.age(t, 3*time.Minute)
			f.settleOpen(t, 1)
			if diff := cmp.Diff([]string{"refund_pending"}, f.paymentStatus(t, hold.ID)); diff != "" {
				t.Fatal(diff)
			}
			if f.around.wakes != 1 || f.bookingStatus(t, hold.ID)[:9] != "CANCELLED" {
				t.Errorf("%d refunds woken, the booking is %s", f.around.wakes, f.bookingStatus(t, hold.ID))
			}
			f.refund(t, 1)
			f.wantMoneyBalanced(t)
			f.audit(t)
		})
	}
}

func (f fixture) sweep() error {
	_, err := f.bookings.ExpireDue(context.Background())
	return err
}

func (f fixture) refund(t *testing.T, want int) {
	t.Helper()
	if n, err := f.payments.Refund(t.Context()); err != nil || n != want {
		t.Errorf("Refund looked at %d payments, %v, want %d", n, err, want)
	}
}

func TestSettleOpen_UnknownChargeFailsAfterTwentyTimeouts(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	f.crash(t, domain.RequestKey{}, hold, true)
	f.age(t, 19*time.Minute)
	f.settleOpen(t, 1)
	if diff := cmp.Diff([]string{"created"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Fatal(diff)
	}
	f.age(t, 21*time.Minute)
	f.settleOpen(t, 1)
	if diff := cmp.Diff([]string{"failed"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Fatal(diff)
	}
	f.mustPay(t, hold)
	f.mustConfirm(t, hold)
	f.wantMoneyBalanced(t)
	f.audit(t)
}

// An old attempt that is tried again counts from then on: its charge may be under way.
func TestSettleOpen_AttemptThatIsTriedAgainIsNotGivenUp(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	f.crash(t, domain.RequestKey{}, hold, true)
	f.age(t, time.Hour)
	charging, goOn := make(chan struct{}), make(chan struct{})
	f.provider.charging = func(domain.Charge) error {
		close(charging)
		<-goOn
		return nil
	}
	paid := make(chan error, 1)
	go func() {
		_, err := f.pay(hold)
		paid <- err
	}()
	<-charging
	f.settleOpen(t, 0)
	close(goOn)
	if err := <-paid; err != nil {
		t.Fatal(err)
	}
	f.mustConfirm(t, hold)
	f.wantMoneyBalanced(t)
	f.audit(t)
}

func TestSettleOpen_TwoInstancesSettleOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for i, user := range users(t, f, 10) {
		f.crash(t, domain.RequestKey{}, f.mustHold(t, user, f.seats[i]), false)
	}
	f.age(t, 3*time.Minute)
	second := newInstance(t, f.pool, rules())
	errs := race(2, func(i int) error {
		_, err := []instance{f.instance, second}[i].payments.SettleOpen(context.Background())
		return err
	})
	count(t, errs)
	if n := len(f.around.results) + len(second.around.results); n != 10 {
		t.Errorf("%d results were recorded, want 10", n)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM payments WHERE status = 'succeeded'`); n != 10 {
		t.Errorf("%d payments succeeded", n)
	}
}

func TestPay_UnknownResultIsFoundOutByARepeat(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for i, key := range []domain.RequestKey{{}, requestKey(user, "pay")} {
		hold := f.mustHold(t, user, f.seats[i])
		f.provider.charged = func(domain.Charge) error { return errors.New("connection reset") }
		_, _, err := f.payBy(key, hold, payment.MethodSuccess)
		wantCode(t, err, domain.ErrPaymentUnavailable)
		f.provider.charged = nil
		if diff := cmp.Diff([]string{"created"}, f.paymentStatus(t, hold.ID)); diff != "" {
			t.Fatal(diff)
		}
		if _, _, err := f.payBy(key, hold, payment.MethodSuccess); err != nil {
			t.Fatal(err)
		}
		f.mustConfirm(t, hold)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM simulated_charges`); n != 2 {
		t.Errorf("the provider charged %d times, want once a booking", n)
	}
	f.audit(t)
}

// The process dies between charge and record. While the key is claimed its payment is under way; then a
// repeat takes the attempt up where it was left.
func TestPay_RepeatAfterACrashResumesTheAttempt(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	key := requestKey(user, "pay")
	hold := f.mustHold(t, user, f.seats[0])
	f.crash(t, key, hold, false)
	_, _, err := f.payBy(key, hold, payment.MethodSuccess)
	wantCode(t, err, domain.ErrIdempotencyInProgress)
	testkit.Exec(t, f.pool, `UPDATE idempotency_keys SET claimed_until = now()`)
	paid, response, err := f.payBy(key, hold, payment.MethodSuccess)
	if err != nil || response.Replayed || paid.Payment.TransactionID == "" {
		t.Fatalf("paid %+v, %+v, %v", paid.Payment, response, err)
	}
	_, again, err := f.payBy(key, hold, payment.MethodSuccess)
	if err != nil || !again.Replayed || string(again.Body) != string(response.Body) {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	f.mustConfirm(t, hold)
	f.wantMoneyBalanced(t)
}

// A charge hangs so long that its attempt fails; the buyer pays by another one. Then the first succeeds.
func TestPay_LateSuccessOfAFailedAttemptIsRefunded(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	hangs, goOn := make(chan string, 1), make(chan struct{})
	var charges atomic.Int32
	f.provider.charging = func(c domain.Charge) error {
		if charges.Add(1) == 1 {
			hangs <- c.AttemptKey
			<-goOn
		}
		return nil
	}
	late := make(chan error, 1)
	go func() {
		_, err := f.pay(hold)
		late <- err
	}()
	first := <-hangs
	f.age(t, time.Hour)
	f.settleOpen(t, 1)
	f.mustPay(t, hold)
	close(goOn)
	wantCode(t, <-late, domain.ErrBookingNotPending)
	f.mustConfirm(t, hold)
	if diff := cmp.Diff([]string{"refund_pending", "succeeded"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Error(diff)
	}
	details, err := f.store.BookingDetails(t.Context(), hold.UserID, hold.ID)
	if err != nil || details.Payment == nil || details.Payment.Status != domain.PaymentSucceeded {
		t.Errorf("the booking shows payment %+v, %v", details.Payment, err)
	}
	f.refund(t, 1)
	if diff := cmp.Diff([]string{first}, f.provider.refunded()); diff != "" {
		t.Errorf("refunded (-want +got):\n%s", diff)
	}
	f.wantMoneyBalanced(t)
	f.audit(t)
}

// Two payments with keys of their own are charged when the hold expires. Both are told so, and a repeat
// of each is told the same.
func TestPay_TwoPaymentsAtTheInstantOfExpiry(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			user := testkit.NewUser(t, f.pool)
			hold := f.mustHold(t, user, f.seats[1], f.seats[0])
			keys := []domain.RequestKey{requestKey(user, "one"), requestKey(user, "two")}
			charged, expired := make(chan struct{}, 2), make(chan struct{})
			f.provider.charged = func(domain.Charge) error {
				charged <- struct{}{}
				<-expired
				return nil
			}
			go func() {
				<-charged
				<-charged
				if err := f.expireNow(hold); err != nil {
					t.Error(err)
				}
				close(expired)
			}()
			pay := func(i int) (service.Response, error) {
				_, response, err := f.payBy(keys[i], hold, payment.MethodSuccess)
				return response, err
			}
			responses := make([]service.Response, 2)
			for _, err := range race(2, func(i int) (err error) {
				responses[i], err = pay(i)
				return err
			}) {
				wantCode(t, err, domain.ErrHoldExpired)
				if diff := cmp.Diff(f.seats[:2], field[[]int64](t, err, "expired_seats")); diff != "" {
					t.Error(diff)
				}
			}
			for i, first := range responses {
				again, err := pay(i)
				first.Replayed = true
				if diff := cmp.Diff(first, again); diff != "" || err != nil || first.IsZero() {
					t.Errorf("repeated (-want +got):\n%s%v", diff, err)
				}
			}
			if diff := cmp.Diff([]string{"refund_pending"}, f.paymentStatus(t, hold.ID)); diff != "" {
				t.Error(diff)
			}
			f.refund(t, 1)
			f.wantMoneyBalanced(t)
			f.audit(t)
		})
	}
}

// A payment whose hold expires at any moment of it is a success or a refund.
func TestRace_PaymentAndExpiry(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for round := range 25 {
		hold := f.mustHold(t, user, f.seats[0])
		key := func(i int) domain.RequestKey { return requestKey(user, fmt.Sprintf("%d %d", round, i)) }
		errs := race(4, func(i int) (err error) {
			switch i {
			case 0:
				err = f.expireNow(hold)
			case 1, 2:
				_, _, err = f.payBy(key(i), hold, payment.MethodSuccess)
			case 3:
				err = f.sweep()
			}
			return err
		})
		count(t, errs, domain.ErrHoldExpired, domain.ErrBookingNotPending)
		if err := f.sweep(); err != nil {
			t.Fatal(err)
		}
		f.audit(t)
	}
	if _, err := f.payments.Refund(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.wantMoneyBalanced(t)
}

func TestPay_GoesOnWithoutItsClient(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	ctx, leave := context.WithCancel(t.Context())
	f.provider.charging = func(domain.Charge) error { leave(); return nil }
	_, err := f.payments.Pay(ctx, service.Pay{UserID: hold.UserID, BookingID: hold.ID, Amount: hold.Amount},
		service.Request{Encoder: &encoder{}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"succeeded"}, f.paymentStatus(t, hold.ID)); diff != "" {
		t.Error(diff)
	}
}

// cancelPaid pays and cancels a booking of each seat.
func (f fixture) cancelPaid(t *testing.T) (bookings []domain.BookingDetails) {
	t.Helper()
	for i, user := range users(t, f, len(f.seats)) {
		hold := f.mustHold(t, user, f.seats[i])
		f.mustPay(t, hold)
		if _, err := f.cancel(hold); err != nil {
			t.Fatal(err)
		}
		bookings = append(bookings, hold)
	}
	return bookings
}

func (f fixture) attempts(t *testing.T) []string {
	t.Helper()
	attempts := testkit.Value[[]string](t, f.pool, `SELECT array_agg(attempt_key) FROM payments`)
	slices.Sort(attempts)
	return attempts
}

func TestRefund_RefundsOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	bookings := f.cancelPaid(t)
	if f.around.wakes != len(bookings) {
		t.Errorf("%d refunds were woken", f.around.wakes)
	}
	f.refund(t, len(bookings))
	f.refund(t, 0)
	if diff := cmp.Diff(f.attempts(t), f.provider.refunded()); diff != "" {
		t.Errorf("refunded (-want +got):\n%s", diff)
	}
	for _, b := range bookings {
		details, err := f.store.BookingDetails(t.Context(), b.UserID, b.ID)
		if err != nil || details.Payment.Status != domain.PaymentRefunded || details.Payment.RefundedAt == nil || !details.Payment.GivenBack() {
			t.Errorf("the booking shows payment %+v, %v", details.Payment, err)
		}
	}
	if f.around.refunds != len(bookings) {
		t.Errorf("%d refunds were counted", f.around.refunds)
	}
	f.wantMoneyBalanced(t)
	f.audit(t)
}

func TestRefund_TwoInstancesRefundOnceEach(t *testing.T) {
	t.Parallel()
	f := setup(t)
	bookings := f.cancelPaid(t)
	// What is claimed stays hidden for a minute, however slow the machine is.
	testkit.Exec(t, f.pool, `UPDATE payments SET checks = 5`)
	second := newInstance(t, f.pool, rules())
	refunded := make([]int, 2)
	errs := race(2, func(i int) (err error) {
		refunded[i], err = []instance{f.instance, second}[i].payments.Refund(context.Background())
		return err
	})
	count(t, errs)
	got := slices.Sorted(slices.Values(slices.Concat(f.provider.refunded(), second.provider.refunded())))
	if diff := cmp.Diff(f.attempts(t), got); diff != "" || refunded[0]+refunded[1] != len(bookings) {
		t.Errorf("%v refunds (-want +got):\n%s", refunded, diff)
	}
	f.wantMoneyBalanced(t)
}

func TestRefund_FailingProviderIsAskedAtLongerIntervals(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	f.mustPay(t, hold)
	if _, err := f.cancel(hold); err != nil {
		t.Fatal(err)
	}
	f.provider.refundErr = errors.New("the provider is down")
	next := func() time.Time {
		return testkit.Value[time.Time](t, f.pool, `SELECT next_check_at FROM payments`)
	}
	now := func() time.Time { return testkit.Value[time.Time](t, f.pool, `SELECT clock_timestamp()`) }
	for i, seconds := range []int{2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024} {
		testkit.Exec(t, f.pool, `UPDATE payments SET next_check_at = now()`)
		before := now()
		if n, err := f.payments.Refund(t.Context()); n != 1 || !errors.Is(err, f.provider.refundErr) {
			t.Fatalf("Refund looked at %d payments, %v", n, err)
		}
		want := time.Duration(seconds) * time.Second
		if at := next(); at.Sub(before) < want || at.Sub(now()) > want {
			t.Errorf("after %d failures the next is in %s, want %s", i+1, at.Sub(before), want)
		}
		f.refund(t, 0)
	}
	if f.provider.asked != 11 {
		t.Errorf("the provider was asked %d times", f.provider.asked)
	}
	f.provider.refundErr = nil
	testkit.Exec(t, f.pool, `UPDATE payments SET next_check_at = now()`)
	f.refund(t, 1)
	f.wantMoneyBalanced(t)
}

func TestRefund_OneFailureDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	f := setup(t)
	bookings := f.cancelPaid(t)
	// The provider does not know this charge.
	testkit.Exec(t, f.pool, `
		DELETE FROM simulated_charges WHERE attempt_key = (SELECT attempt_key FROM payments WHERE booking_id = $1)`, bookings[0].ID)
	if n, err := f.payments.Refund(t.Context()); n != len(bookings) || err == nil {
		t.Errorf("Refund looked at %d payments, %v", n, err)
	}
	for i, b := range bookings {
		want := "refunded"
		if i == 0 {
			want = "refund_pending"
		}
		if diff := cmp.Diff([]string{want}, f.paymentStatus(t, b.ID)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBookingDetails_ExpiredPaidHoldIsGivenBackAtOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hold := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	f.mustPay(t, hold)
	testkit.Expire(t, f.pool, hold.ID)
	check := func(when string) {
		t.Helper()
		b, err := f.store.BookingDetails(t.Context(), hold.UserID, hold.ID)
		if err != nil || b.Status != domain.BookingCancelled || b.CancelReason != domain.CancelledExpired ||
			b.Payment == nil || b.Payment.Status != domain.PaymentRefundPending || !b.Payment.GivenBack() || b.HoldLeft != 0 {
			t.Errorf("%s: %+v, payment %+v, %v", when, b, b.Payment, err)
		}
	}
	check("before its end is saved")
	if err := f.sweep(); err != nil {
		t.Fatal(err)
	}
	check("afterwards")
}
