package repository

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

const (
	paymentColumns = `
		payment_id, booking_id, attempt_key, amount, status, coalesce(transaction_id, ''),
		created_at, attempted_at, paid_at, refund_requested_at, refunded_at`

	// A booking has at most one payment that is created or succeeded; those that failed may be many, and only the
	// attempt $2 is read of them.
	paymentsOfBooking = `
		SELECT ` + paymentColumns + `
		FROM payments
		WHERE booking_id = $1 AND (status <> 'failed' OR attempt_key = $2)
		ORDER BY payment_id DESC
		LIMIT 10`

	insertPayment = `
		INSERT INTO payments (booking_id, attempt_key, amount, status)
		VALUES ($1, $2, $3, 'created')`

	resumePayment = `
		UPDATE payments
		SET attempted_at = now(), next_check_at = now(), checks = 0
		WHERE attempt_key = $1`

	updatePayment = `
		UPDATE payments
		SET status = $2, transaction_id = nullif($3, ''), paid_at = $4, refund_requested_at = $5,
		    refunded_at = CASE $2::text WHEN 'refunded' THEN now() END, next_check_at = now()
		WHERE attempt_key = $1`

	// What is claimed is left alone by other instances until next_check_at, which moves away from attempt to
	// attempt: 2 s, 4 s, up to 17 minutes.
	claimPayments = `
		UPDATE payments
		SET checks = checks + 1, next_check_at = now() + interval '2 seconds' * 2 ^ least(checks, 9)
		WHERE payment_id = ANY (ARRAY(`
	claimedPayments = `
			ORDER BY next_check_at
			LIMIT $1
			FOR UPDATE SKIP LOCKED
		))
		RETURNING ` + paymentColumns + `, (SELECT user_id FROM bookings WHERE bookings.booking_id = payments.booking_id)`

	claimOpenPayments = claimPayments + `
			SELECT payment_id
			FROM payments
			WHERE status = 'created' AND next_check_at <= now() - $2::interval` + claimedPayments

	claimRefunds = claimPayments + `
			SELECT payment_id
			FROM payments
			WHERE status = 'refund_pending' AND next_check_at <= now()` + claimedPayments
)

func (s *Store) ClaimOpenPayments(ctx context.Context, age time.Duration, limit int) ([]domain.DuePayment, error) {
	return list(ctx, s, scanDuePayment, claimOpenPayments, limit, age)
}

func (s *Store) ClaimRefunds(ctx context.Context, limit int) ([]domain.DuePayment, error) {
	return list(ctx, s, scanDuePayment, claimRefunds, limit)
}

func scanDuePayment(row pgx.CollectableRow) (domain.DuePayment, error) {
	var payment domain.DuePayment
	err := row.Scan(append(paymentTargets(&payment.Payment), &payment.UserID)...)
	return payment, err
}

func scanPayment(row pgx.CollectableRow) (domain.Payment, error) {
	var payment domain.Payment
	err := row.Scan(paymentTargets(&payment)...)
	return payment, err
}

func paymentTargets(p *domain.Payment) []any {
	return []any{
		&p.ID, &p.BookingID, &p.AttemptKey, (*numeric)(&p.Amount), &p.Status, &p.TransactionID,
		&p.CreatedAt, &p.AttemptedAt, &p.PaidAt, &p.RefundRequestedAt, &p.RefundedAt,
	}
}
