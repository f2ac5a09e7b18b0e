package repository_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/repository"
	"evently/internal/testkit"
)

// paymentAuditCases break what `evently audit` promises about payments, one by one. They begin with a
// CONFIRMED booking that is paid with the attempt "kept", and with the attempts "refunded", which was
// charged and refunded, and "declined".
var paymentAuditCases = []struct {
	name   string
	breaks []string
	want   []string
}{
	{name: "charge without a payment", breaks: []string{
		`INSERT INTO simulated_charges (attempt_key, amount, state, transaction_id) VALUES ('lost', 450, 'succeeded', 'lost')`,
	}, want: []string{"charge_is_recorded"}},
	{name: "charge left created", breaks: []string{
		`UPDATE payments SET status = 'created', transaction_id = NULL, paid_at = NULL WHERE attempt_key = 'kept'`,
		`UPDATE simulated_charges SET created_at = now() - interval '61 minutes' WHERE attempt_key = 'kept'`,
	}, want: []string{"confirmed_is_paid", "charge_is_recorded"}},
	{name: "charge recorded as failed", breaks: []string{
		`UPDATE simulated_charges SET state = 'succeeded', transaction_id = 'late', created_at = now() - interval '61 minutes'
		 WHERE attempt_key = 'declined'`,
	}, want: []string{"charge_is_recorded"}},
	{name: "payment of a declined charge", breaks: []string{
		`UPDATE simulated_charges SET state = 'declined', transaction_id = NULL WHERE attempt_key = 'kept'`,
	}, want: []string{"payment_agrees_with_charge"}},
	{name: "payment of another amount than its charge", breaks: []string{
		`UPDATE simulated_charges SET amount = amount + 1 WHERE attempt_key = 'kept'`,
	}, want: []string{"payment_agrees_with_charge"}},
	{name: "two payments of one booking", breaks: []string{
		`DROP INDEX payments_one_open_per_booking`,
		`UPDATE payments SET status = 'succeeded', refund_requested_at = NULL, refunded_at = NULL WHERE attempt_key = 'refunded'`,
		`UPDATE simulated_charges SET refunded_at = NULL WHERE attempt_key = 'refunded'`,
	}, want: []string{"confirmed_is_paid", "payment_is_taken_once"}},
	{name: "refund that the provider did not make", breaks: []string{
		`UPDATE simulated_charges SET refunded_at = NULL WHERE attempt_key = 'refunded'`,
	}, want: []string{"refund_is_made"}},
	{name: "refund of a payment that is kept", breaks: []string{
		`UPDATE simulated_charges SET refunded_at = now() WHERE attempt_key = 'kept'`,
	}, want: []string{"refund_is_recorded"}},
	{name: "refund that does not end", breaks: []string{
		`UPDATE payments SET status = 'refund_pending', refund_requested_at = now() - interval '61 minutes', refunded_at = NULL
		 WHERE attempt_key = 'refunded'`,
	}, want: []string{"refunds_end_in_time"}},
}

func TestAudit_BrokenPaymentIsReported(t *testing.T) {
	t.Parallel()
	for _, tt := range paymentAuditCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pool := testkit.Pool(t)
			newPaidBooking(t, pool)
			if before := auditPayments(t, pool); len(before) > 0 {
				t.Fatalf("violations before anything is broken: %v", before)
			}
			for _, sql := range tt.breaks {
				testkit.Exec(t, pool, sql)
			}
			if diff := cmp.Diff(tt.want, auditPayments(t, pool)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAudit_PaymentUnderWayIsNoViolation(t *testing.T) {
	t.Parallel()
	pool := testkit.Pool(t)
	newPaidBooking(t, pool)
	testkit.Exec(t, pool, `UPDATE bookings SET status = 'PENDING', confirmed_at = NULL, expires_at = now() + interval '5 minutes'`)
	testkit.Exec(t, pool, `UPDATE show_seats SET status = 'LOCKED' WHERE booking_id IS NOT NULL`)
	testkit.Exec(t, pool, `UPDATE payments SET status = 'created', transaction_id = NULL, paid_at = NULL WHERE attempt_key = 'kept'`)
	testkit.Exec(t, pool, `UPDATE payments SET status = 'refund_pending', refunded_at = NULL WHERE attempt_key = 'refunded'`)
	if violations := auditPayments(t, pool); len(violations) > 0 {
		t.Error(violations)
	}
}

// auditPayments returns the names of the violated checks.
func auditPayments(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	violations, err := repository.New(pool, repository.Options{}).Audit(context.Background(), time.Hour, 20, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range violations {
		names = append(names, v.Check)
	}
	return slices.Compact(names)
}

// newPaidBooking inserts the booking that paymentAuditCases begin with.
func newPaidBooking(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	show := testkit.NewShow(t, pool, testkit.Show{})
	seat := testkit.SeatIDs(t, pool, show)[0]
	booking := testkit.Value[int64](t, pool, `
		INSERT INTO bookings (user_id, show_id, status, seat_count, amount, lock_token, expires_at, confirmed_at)
		VALUES ($1, $2, 'CONFIRMED', 1, 450, 'token', now(), now())
		RETURNING booking_id`, testkit.NewUser(t, pool), show)
	testkit.Exec(t, pool, `INSERT INTO booking_seats (booking_id, seat_id, price) VALUES ($1, $2, 450)`, booking, seat)
	testkit.Exec(t, pool, `
		UPDATE show_seats SET status = 'BOOKED', booking_id = $1, locked_at = now() WHERE show_id = $2 AND seat_id = $3`,
		booking, show, seat)
	testkit.Exec(t, pool, `
		INSERT INTO payments (booking_id, attempt_key, amount, status, transaction_id, paid_at, refund_requested_at, refunded_at)
		VALUES ($1, 'declined', 450, 'failed', NULL, NULL, NULL, NULL),
		       ($1, 'refunded', 450, 'refunded', 'txn1', now(), now(), now()),
		       ($1, 'kept', 450, 'succeeded', 'txn2', now(), NULL, NULL)`, booking)
	testkit.Exec(t, pool, `
		INSERT INTO simulated_charges (attempt_key, amount, state, transaction_id, refunded_at)
		VALUES ('declined', 450, 'declined', NULL, NULL),
		       ('refunded', 450, 'succeeded', 'txn1', now()),
		       ('kept', 450, 'succeeded', 'txn2', NULL)`)
}
