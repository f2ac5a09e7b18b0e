package chaos_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"evently/internal/testkit"
)

const (
	openPayments = `SELECT count(*) FROM payments WHERE status IN ('created', 'refund_pending')`

	// wrongPayments is for a database at rest, without live holds: what the provider charged is recorded for
	// a CONFIRMED booking or refunded on both sides, and what it did not charge is recorded as failed.
	wrongPayments = `
		SELECT format('attempt %s of booking %s, which is %s: the provider has %s%s and the payment is %s',
		              attempt_key, payments.booking_id, bookings.status,
		              coalesce(charges.state, 'nothing'), CASE WHEN charges.refunded_at IS NOT NULL THEN ', refunded,' END,
		              coalesce(payments.status, 'missing'))
		FROM simulated_charges AS charges
		FULL JOIN payments USING (attempt_key)
		LEFT JOIN bookings USING (booking_id)
		WHERE NOT CASE
		        WHEN charges.state = 'succeeded' AND charges.refunded_at IS NULL
		          THEN coalesce(payments.status = 'succeeded' AND bookings.status = 'CONFIRMED', false)
		        WHEN charges.state = 'succeeded'
		          THEN coalesce(payments.status = 'refunded', false)
		        ELSE coalesce(payments.status = 'failed' AND charges.refunded_at IS NULL, false)
		      END
		LIMIT 20`

	paidTwice = `
		SELECT format('booking %s has %s charges that were not refunded', booking_id, count(*))
		FROM simulated_charges
		JOIN payments USING (attempt_key)
		WHERE state = 'succeeded' AND simulated_charges.refunded_at IS NULL
		GROUP BY booking_id
		HAVING count(*) > 1
		LIMIT 20`

	// differingSums compares what the provider keeps with what confirmed bookings cost.
	differingSums = `
		SELECT format('the provider keeps %s, the payments say %s, and the confirmed bookings cost %s', kept, recorded, owed)
		FROM (SELECT coalesce(sum(amount), 0) AS kept FROM simulated_charges WHERE state = 'succeeded' AND refunded_at IS NULL) AS provider
		CROSS JOIN (SELECT coalesce(sum(amount), 0) AS recorded FROM payments WHERE status = 'succeeded') AS payments
		CROSS JOIN (SELECT coalesce(sum(amount), 0) AS owed FROM bookings WHERE status = 'CONFIRMED') AS bookings
		WHERE kept <> recorded OR kept <> owed`

	// missingPayments are the acknowledged ones that are missing: bookings $1 and transactions $2.
	missingPayments = `
		SELECT format('payment %s of booking %s was acknowledged and is missing', transaction, booking)
		FROM unnest($1::bigint[], $2::text[]) AS acknowledged (booking, transaction)
		WHERE NOT EXISTS (
		        SELECT FROM payments
		        JOIN simulated_charges USING (attempt_key, transaction_id)
		        WHERE payments.booking_id = acknowledged.booking AND transaction_id = acknowledged.transaction)
		LIMIT 20`

	paymentSums = `
		SELECT format('%s attempts; %s charges of %s, of which %s of %s were refunded; %s charges declined, %s attempts never charged',
		              (SELECT count(*) FROM payments),
		              count(*) FILTER (WHERE state = 'succeeded'), coalesce(sum(amount) FILTER (WHERE state = 'succeeded'), 0),
		              count(refunded_at), coalesce(sum(amount) FILTER (WHERE refunded_at IS NOT NULL), 0),
		              count(*) FILTER (WHERE state = 'declined'),
		              (SELECT count(*) FROM payments WHERE NOT EXISTS (
		                 SELECT FROM simulated_charges WHERE simulated_charges.attempt_key = payments.attempt_key)))
		FROM simulated_charges`
)

// judgePayments checks at rest that every charge is recorded or refunded.
func judgePayments(t *testing.T, v *verdict, c *cluster, paid *acknowledged, kills chargeKills) {
	t.Helper()
	if open := testkit.Value[int](t, c.pool, openPayments); open > 0 {
		v.violated("%d payments are left created or refund_pending", open)
	}
	for _, sql := range []string{wrongPayments, paidTwice, differingSums} {
		v.violatedBy(t, c, sql)
	}
	v.violatedBy(t, c, missingPayments, paid.bookings, paid.transactions)
	v.note("payments: %s", testkit.Value[string](t, c.pool, paymentSums))
	v.note("kills between charge and record: %d, with %d payments charged and not recorded", kills.kills, kills.payments)
	if kills.kills == 0 && *duration >= longRun {
		v.violated("no instance was killed between charge and record")
	}
}

// violatedBy adds a violation for each line that the query returns.
func (v *verdict) violatedBy(t *testing.T, c *cluster, sql string, args ...any) {
	t.Helper()
	rows, err := c.pool.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		v.violated("payments: %s", line)
	}
}
