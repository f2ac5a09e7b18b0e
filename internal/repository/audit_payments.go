package repository

// paymentChecks compare the payments with the provider's record: every charge ends recorded or refunded.
var paymentChecks = []auditCheck{
	{name: "charge_is_recorded", grace: true, query: `
		SELECT format('charge %s of %s succeeded at %s and its payment is %s',
		              charges.transaction_id, charges.amount, charges.created_at, coalesce(payments.status, 'missing'))
		FROM simulated_charges AS charges
		LEFT JOIN payments USING (attempt_key)
		WHERE charges.state = 'succeeded'
		  AND (payments.status IS NULL
		       OR (payments.status IN ('created', 'failed') AND charges.created_at < now() - $2::interval))
		LIMIT $1`},
	{name: "payment_agrees_with_charge", query: `
		SELECT format('payment %s of %s is %s and the provider has %s of %s', payments.transaction_id, payments.amount,
		              payments.status, coalesce(charges.transaction_id, 'a declined charge'), charges.amount)
		FROM payments
		JOIN simulated_charges AS charges USING (attempt_key)
		WHERE payments.transaction_id IS NOT NULL
		  AND (charges.transaction_id, charges.amount) IS DISTINCT FROM (payments.transaction_id, payments.amount)
		LIMIT $1`},
	{name: "payment_is_taken_once", query: `
		SELECT format('booking %s has %s payments that were not given back', booking_id, count(*))
		FROM payments
		WHERE status = 'succeeded'
		GROUP BY booking_id
		HAVING count(*) > 1
		LIMIT $1`},
	{name: "refund_is_made", query: `
		SELECT format('payment %s of %s is refunded and the provider has no refund', payments.transaction_id, payments.amount)
		FROM payments
		JOIN simulated_charges AS charges USING (attempt_key)
		WHERE payments.status = 'refunded' AND charges.refunded_at IS NULL
		LIMIT $1`},
	{name: "refund_is_recorded", query: `
		SELECT format('charge %s of %s was refunded and its payment is %s',
		              charges.transaction_id, charges.amount, coalesce(payments.status, 'missing'))
		FROM simulated_charges AS charges
		LEFT JOIN payments USING (attempt_key)
		WHERE charges.refunded_at IS NOT NULL
		  AND coalesce(payments.status NOT IN ('refund_pending', 'refunded'), true)
		LIMIT $1`},
	{name: "refunds_end_in_time", grace: true, query: `
		SELECT format('payment %s of %s is to be refunded since %s', transaction_id, amount, refund_requested_at)
		FROM payments
		WHERE status = 'refund_pending' AND refund_requested_at < now() - $2::interval
		ORDER BY refund_requested_at
		LIMIT $1`},
}
