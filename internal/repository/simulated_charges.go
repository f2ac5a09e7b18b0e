package repository

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

const (
	// The no-op update makes RETURNING return the row that is there.
	recordCharge = `
		INSERT INTO simulated_charges (attempt_key, amount, state, transaction_id)
		VALUES ($1, $2, $3, nullif($4, ''))
		ON CONFLICT (attempt_key) DO UPDATE SET attempt_key = excluded.attempt_key
		RETURNING state, coalesce(transaction_id, '')`

	findCharge = `
		SELECT state, coalesce(transaction_id, '')
		FROM simulated_charges
		WHERE attempt_key = $1`

	recordRefund = `
		UPDATE simulated_charges
		SET refunded_at = coalesce(refunded_at, now())
		WHERE attempt_key = $1 AND state = 'succeeded'`
)

var errNotCharged = errors.New("the provider has no such charge")

func (s *Store) RecordCharge(ctx context.Context, charge domain.Charge, result domain.ChargeResult) (domain.ChargeResult, error) {
	return one(ctx, s, pgx.RowToStructByPos[domain.ChargeResult], domain.ErrInternal,
		recordCharge, charge.AttemptKey, numeric(charge.Amount), result.State, result.TransactionID)
}

func (s *Store) FindCharge(ctx context.Context, attemptKey string) (domain.ChargeResult, error) {
	charges, err := list(ctx, s, pgx.RowToStructByPos[domain.ChargeResult], findCharge, attemptKey)
	if err != nil || len(charges) == 0 {
		return domain.ChargeResult{State: domain.ChargeUnknown}, err
	}
	return charges[0], nil
}

func (s *Store) RecordRefund(ctx context.Context, attemptKey string) error {
	refunded, err := s.exec(ctx, recordRefund, attemptKey)
	if err == nil && refunded == 0 {
		return domain.ErrInternal.WithCause(errNotCharged)
	}
	return err
}
