package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

// auditCheck finds violations of one rule.
type auditCheck struct {
	name  string
	query string
	grace bool
}

var auditChecks = []auditCheck{
	{name: "seat_holder_alive", query: `
		SELECT format('show %s seat %s is %s by booking %s, which is %s',
		              show_seats.show_id, show_seats.seat_id, show_seats.status, booking_id, bookings.status)
		FROM show_seats
		LEFT JOIN bookings USING (booking_id)
		WHERE show_seats.status <> 'AVAILABLE'
		  AND bookings.status IS DISTINCT FROM
		      (CASE show_seats.status WHEN 'LOCKED' THEN 'PENDING' ELSE 'CONFIRMED' END)::booking_status
		LIMIT $1`},
	{name: "status_agrees_with_holder", query: `
		SELECT format('show %s seat %s is %s with booking %s', show_id, seat_id, status, coalesce(booking_id::text, 'none'))
		FROM show_seats
		WHERE (status = 'AVAILABLE') <> (booking_id IS NULL)
		LIMIT $1`},
	{name: "seat_is_of_its_holder", query: `
		SELECT format('show %s seat %s is held by booking %s, which does not have it', show_id, seat_id, booking_id)
		FROM show_seats
		WHERE booking_id IS NOT NULL
		  AND NOT EXISTS (
		        SELECT FROM bookings
		        JOIN booking_seats USING (booking_id)
		        WHERE bookings.booking_id = show_seats.booking_id
		          AND bookings.show_id = show_seats.show_id
		          AND booking_seats.seat_id = show_seats.seat_id
		      )
		LIMIT $1`},
	{name: "seat_sold_once", query: `
		SELECT format('show %s seat %s is claimed by bookings %s',
		              show_id, seat_id, array_agg(booking_id ORDER BY booking_id))
		FROM bookings
		JOIN booking_seats USING (booking_id)
		WHERE ` + liveBooking + `
		GROUP BY show_id, seat_id
		HAVING count(*) > 1
		LIMIT $1`},
	{name: "booking_holds_its_seats", query: `
		SELECT format('booking %s is %s and holds %s of its %s seats',
		              bookings.booking_id, bookings.status, count(show_seats.seat_id), bookings.seat_count)
		FROM bookings
		LEFT JOIN booking_seats USING (booking_id)
		LEFT JOIN show_seats ON show_seats.show_id = bookings.show_id
		  AND show_seats.seat_id = booking_seats.seat_id
		  AND show_seats.booking_id = bookings.booking_id
		WHERE bookings.status <> 'CANCELLED'
		GROUP BY bookings.booking_id
		HAVING count(show_seats.seat_id) <> bookings.seat_count
		LIMIT $1`},
	{name: "amount_is_sum_of_seats", query: `
		SELECT format('booking %s is for %s and its %s seats cost %s',
		              booking_id, amount, count(booking_seats.seat_id), coalesce(sum(price), 0))
		FROM bookings
		LEFT JOIN booking_seats USING (booking_id)
		GROUP BY bookings.booking_id
		HAVING coalesce(sum(price), 0) <> amount OR count(booking_seats.seat_id) <> seat_count
		LIMIT $1`},
	{name: "confirmed_is_paid", query: `
		SELECT format('booking %s is CONFIRMED for %s and has %s payments of %s in all',
		              bookings.booking_id, bookings.amount, count(payments.payment_id), coalesce(sum(payments.amount), 0))
		FROM bookings
		LEFT JOIN payments ON payments.booking_id = bookings.booking_id AND payments.status = 'succeeded'
		WHERE bookings.status = 'CONFIRMED'
		GROUP BY bookings.booking_id
		HAVING count(payments.payment_id) <> 1 OR sum(payments.amount) <> bookings.amount
		LIMIT $1`},
	{name: "cancelled_is_refunded", query: `
		SELECT format('booking %s is CANCELLED and payment %s of %s was not refunded',
		              booking_id, transaction_id, payments.amount)
		FROM bookings
		JOIN payments USING (booking_id)
		WHERE bookings.status = 'CANCELLED' AND payments.status = 'succeeded'
		LIMIT $1`},
	{name: "holds_end_in_time", grace: true, query: `
		SELECT format('booking %s is PENDING and expired at %s', booking_id, expires_at)
		FROM bookings
		WHERE status = 'PENDING' AND expires_at < now() - $2::interval
		ORDER BY expires_at
		LIMIT $1`},
	{name: "show_has_every_seat", query: `
		SELECT format('show %s counts %s seats, has %s, and its venue has %s',
		              show_id, total_seats, has.seats, venue.seats)
		FROM shows
		CROSS JOIN LATERAL (SELECT count(*) AS seats FROM show_seats WHERE show_seats.show_id = shows.show_id) AS has
		CROSS JOIN LATERAL (SELECT count(*) AS seats FROM seats WHERE seats.venue_id = shows.venue_id) AS venue
		WHERE deleted_at IS NULL
		  AND (total_seats <> has.seats OR (start_time > now() AND has.seats <> venue.seats))
		LIMIT $1`},

	// Every charge of the provider ends recorded or refunded.
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

const auditTimeout = 10 * time.Minute

// Audit checks the database against every rule in one read-only snapshot.
func (s *Store) Audit(ctx context.Context, grace time.Duration, limit int, begin func(check string)) ([]domain.Violation, error) {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	var violations []domain.Violation
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		for _, check := range auditChecks {
			begin(check.name)
			args := []any{limit}
			if check.grace {
				args = append(args, grace)
			}
			rows, err := tx.Query(ctx, check.query, args...)
			if err != nil {
				return err
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			for _, line := range lines {
				violations = append(violations, domain.Violation{Check: check.name, Detail: line})
			}
		}
		return nil
	})
	return violations, s.translate(ctx, err)
}

// strayLocks selects the locks without a live booking.
const strayLocks = `
	SELECT show_id, seat_id, token
	FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS locks (show_id, seat_id, token)
	WHERE NOT EXISTS (
	        SELECT FROM show_seats
	        JOIN bookings USING (booking_id)
	        WHERE show_seats.show_id = locks.show_id
	          AND show_seats.seat_id = locks.seat_id
	          AND bookings.lock_token = locks.token
	          AND ` + liveBooking + `
	      )`

func (s *Store) StrayLocks(ctx context.Context, locks []domain.HeldLock) ([]domain.HeldLock, error) {
	shows, seats, tokens := make([]int64, len(locks)), make([]int64, len(locks)), make([]string, len(locks))
	for i, lock := range locks {
		shows[i], seats[i], tokens[i] = lock.ShowID, lock.SeatID, lock.Token
	}
	return list(ctx, s, pgx.RowToStructByPos[domain.HeldLock], strayLocks, shows, seats, tokens)
}

// AuditChecks returns the names of the checks of Audit.
func AuditChecks() []string {
	names := make([]string, len(auditChecks))
	for i, check := range auditChecks {
		names[i] = check.name
	}
	return names
}
