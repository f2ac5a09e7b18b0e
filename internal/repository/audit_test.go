package repository_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/repository"
	"evently/internal/testkit"
)

// Each case breaks one rule, after dropping the constraints that would prevent it.
func TestAudit_FindsEachViolation(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		breaks []string // $1 is a CONFIRMED booking of the first two seats
		want   []string
	}{
		{name: "cancelled and still on its seats", breaks: []string{
			`UPDATE bookings SET status = 'CANCELLED', cancel_reason = 'user', cancelled_at = now() WHERE booking_id = $1`,
			`UPDATE payments SET status = 'refunded', refund_requested_at = now(), refunded_at = now() WHERE booking_id = $1`,
		}, want: []string{"seat_holder_alive", "refund_is_made"}},
		{name: "booked for a booking that is only held", breaks: []string{
			`UPDATE bookings SET status = 'PENDING' WHERE booking_id = $1`,
		}, want: []string{"seat_holder_alive"}},
		{name: "available with a booking", breaks: []string{
			`ALTER TABLE show_seats DROP CONSTRAINT show_seats_status_agrees`,
			`UPDATE show_seats SET status = 'AVAILABLE' WHERE booking_id = $1`,
		}, want: []string{"status_agrees_with_holder"}},
		{name: "booked without a booking", breaks: []string{
			`ALTER TABLE show_seats DROP CONSTRAINT show_seats_status_agrees`,
			`UPDATE show_seats SET status = 'BOOKED' WHERE $1 > 0 AND seat_id = (SELECT max(seat_id) FROM show_seats)`,
		}, want: []string{"seat_holder_alive", "status_agrees_with_holder"}},
		{name: "a seat of another booking", breaks: []string{
			`UPDATE show_seats SET status = 'BOOKED', booking_id = $1, locked_at = now()
			 WHERE seat_id = (SELECT max(seat_id) FROM show_seats)`,
		}, want: []string{"seat_is_of_its_holder"}},
		{name: "a seat sold twice", breaks: []string{
			`WITH twin AS (
				INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at)
				SELECT user_id, show_id, seat_count, amount, 'twin', now() + interval '1 hour' FROM bookings WHERE booking_id = $1
				RETURNING booking_id)
			 INSERT INTO booking_seats (booking_id, seat_id, price)
			 SELECT twin.booking_id, seat_id, price FROM twin, booking_seats WHERE booking_seats.booking_id = $1`,
		}, want: []string{"seat_sold_once", "booking_holds_its_seats"}},
		{name: "a seat lost", breaks: []string{
			`UPDATE show_seats SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL
			 WHERE seat_id = (SELECT min(seat_id) FROM show_seats WHERE booking_id = $1)`,
		}, want: []string{"booking_holds_its_seats"}},
		{name: "another amount", breaks: []string{
			`UPDATE bookings SET amount = amount - 0.01 WHERE booking_id = $1`,
		}, want: []string{"amount_is_sum_of_seats", "confirmed_is_paid"}},
		{name: "not paid", breaks: []string{
			`DELETE FROM payments WHERE booking_id = $1`,
		}, want: []string{"confirmed_is_paid", "charge_is_recorded"}},
		{name: "paid and refunded", breaks: []string{
			`UPDATE payments SET status = 'refunded', refund_requested_at = now(), refunded_at = now() WHERE booking_id = $1`,
		}, want: []string{"confirmed_is_paid", "refund_is_made"}},
		{name: "paid in two parts", breaks: []string{
			`DROP INDEX payments_one_open_per_booking`,
			`UPDATE payments SET amount = amount / 2 WHERE booking_id = $1`,
			`INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
			 SELECT booking_id, 'twin', 'twin', amount, status, paid_at FROM payments WHERE booking_id = $1`,
		}, want: []string{"confirmed_is_paid", "payment_agrees_with_charge", "payment_is_taken_once"}},
		{name: "paid twice", breaks: []string{
			`DROP INDEX payments_one_open_per_booking`,
			`INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
			 SELECT booking_id, 'twin', 'twin', amount, status, paid_at FROM payments WHERE booking_id = $1`,
		}, want: []string{"confirmed_is_paid", "payment_is_taken_once"}},
		{name: "cancelled and not refunded", breaks: []string{
			`UPDATE bookings SET status = 'CANCELLED', cancel_reason = 'user', cancelled_at = now() WHERE booking_id = $1`,
			`UPDATE show_seats SET status = 'AVAILABLE', booking_id = NULL, locked_at = NULL WHERE booking_id = $1`,
		}, want: []string{"cancelled_is_refunded"}},
		{name: "an overdue hold", breaks: []string{
			`UPDATE show_seats SET status = 'LOCKED' WHERE booking_id = $1`,
			`UPDATE bookings SET status = 'PENDING', expires_at = now() - interval '61 minutes' WHERE booking_id = $1`,
		}, want: []string{"holds_end_in_time"}},
		{name: "a wrong count of seats", breaks: []string{
			`UPDATE shows SET total_seats = total_seats - 1 WHERE $1 > 0`,
		}, want: []string{"show_has_every_seat"}},
		{name: "a seat that a show does not have", breaks: []string{
			`INSERT INTO seats (venue_id, seat_row, seat_number) SELECT venue_id, 'Z', 1 FROM venues WHERE $1 > 0`,
		}, want: []string{"show_has_every_seat"}},
	}
	seen := map[string]bool{}
	for _, tt := range paymentAuditCases { // TestAudit_BrokenPaymentIsReported
		for _, check := range tt.want {
			seen[check] = true
		}
	}
	for _, tt := range tests {
		for _, check := range tt.want {
			seen[check] = true
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := setup(t)
			booking := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0], f.seats[1])
			f.mustPay(t, booking)
			f.mustConfirm(t, booking)
			f.audit(t)
			for _, sql := range tt.breaks {
				if slices.Contains([]string{"ALTE", "DROP"}, sql[:4]) {
					testkit.Exec(t, f.pool, sql)
				} else {
					testkit.Exec(t, f.pool, sql, booking.ID)
				}
			}
			violations, err := f.store.Audit(context.Background(), time.Hour, 20, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, v := range violations {
				if got = append(got, v.Check); v.Detail == "" {
					t.Errorf("%s has no detail", v.Check)
				}
			}
			if diff := cmp.Diff(tt.want, slices.Compact(got)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%v", diff, violations)
			}
		})
	}
	for _, check := range repository.AuditChecks() {
		if !seen[check] {
			t.Errorf("no case violates %s", check)
		}
	}
}

func TestAudit_LimitsViolations(t *testing.T) {
	t.Parallel()
	f := setup(t)
	for _, seat := range f.seats[:5] {
		f.mustHold(t, testkit.NewUser(t, f.pool), seat)
	}
	testkit.Exec(t, f.pool, `UPDATE bookings SET expires_at = now() - interval '1 day'`)
	violations, err := f.store.Audit(context.Background(), time.Hour, 3, func(string) {})
	if err != nil || len(violations) != 3 {
		t.Errorf("%d violations, %v, want 3", len(violations), err)
	}
}
