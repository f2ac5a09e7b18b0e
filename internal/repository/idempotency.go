package repository

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
)

const (
	// The row appears with the claim, or passes to it when the one before ran out unanswered or when
	// its answer is too old to be given again. Of two requests at once the second waits for the
	// first one's row and then finds it claimed.
	claimKey = `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, claim_token, claimed_until)
		VALUES ($1, $2, $3, $4, $5, now() + $6::interval)
		ON CONFLICT (user_id, route, idempotency_key) DO UPDATE
		SET request_hash = excluded.request_hash, claim_token = excluded.claim_token,
		    claimed_until = excluded.claimed_until, created_at = excluded.created_at,
		    response_status = NULL, response_body = NULL
		WHERE idempotency_keys.created_at <= now() - $7::interval
		   OR (idempotency_keys.response_status IS NULL
		       AND idempotency_keys.claimed_until <= now()
		       AND idempotency_keys.request_hash = excluded.request_hash)
		RETURNING claim_token`

	readKey = `
		SELECT request_hash, coalesce(response_status, 0), coalesce(response_body, '')
		FROM idempotency_keys
		WHERE user_id = $1 AND route = $2 AND idempotency_key = $3`

	recordAnswer = `
		UPDATE idempotency_keys
		SET response_status = $5, response_body = $6
		WHERE user_id = $1 AND route = $2 AND idempotency_key = $3
		  AND claim_token = $4 AND response_status IS NULL`

	releaseClaim = `
		DELETE FROM idempotency_keys
		WHERE user_id = $1 AND route = $2 AND idempotency_key = $3
		  AND claim_token = $4 AND response_status IS NULL`

	purgeAnswers = `
		DELETE FROM idempotency_keys
		WHERE ctid = ANY (ARRAY(
		        SELECT ctid
		        FROM idempotency_keys
		        WHERE created_at <= now() - $1::interval
		        ORDER BY created_at
		        LIMIT $2
		        FOR UPDATE SKIP LOCKED
		      ))`
)

// ClaimKey implements service.IdempotencyStore.
func (s *Store) ClaimKey(ctx context.Context, claim domain.Claim, requestHash []byte, claimFor, keepFor time.Duration) (*domain.StoredAnswer, error) {
	var answer *domain.StoredAnswer
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		answer = nil
		var token string
		err := q.QueryRow(ctx, claimKey, claim.UserID, claim.Route, claim.Key, requestHash, claim.Token,
			claimFor, keepFor).Scan(&token)
		if !errors.Is(err, pgx.ErrNoRows) {
			return onConstraint(err, map[string]*domain.Error{"idempotency_keys_user_fkey": domain.ErrUnauthorized})
		}
		var hash []byte
		var stored domain.StoredAnswer
		err = q.QueryRow(ctx, readKey, claim.UserID, claim.Route, claim.Key).Scan(&hash, &stored.Status, &stored.Body)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return domain.ErrIdempotencyInProgress // given back between the two statements: worth another try
		case err != nil:
			return err
		case !bytes.Equal(hash, requestHash):
			return domain.ErrIdempotencyKeyReused
		case stored.Status == 0:
			return domain.ErrIdempotencyInProgress
		}
		answer = &stored
		return nil
	})
	return answer, err
}

// RecordAnswer implements service.IdempotencyStore and service.BookingStore.
func (s *Store) RecordAnswer(ctx context.Context, claim *domain.Claim, answer domain.StoredAnswer) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, recordAnswer, claim.UserID, claim.Route, claim.Key, claim.Token, answer.Status, answer.Body)
		if err == nil && tag.RowsAffected() == 0 {
			return domain.ErrIdempotencyInProgress
		}
		return err
	})
}

// ReleaseClaim implements service.IdempotencyStore.
func (s *Store) ReleaseClaim(ctx context.Context, claim *domain.Claim) error {
	return s.run(ctx, func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, releaseClaim, claim.UserID, claim.Route, claim.Key, claim.Token)
		return err
	})
}

// PurgeAnswers implements service.IdempotencyStore.
func (s *Store) PurgeAnswers(ctx context.Context, age time.Duration, limit int) (int, error) {
	removed := 0
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, purgeAnswers, age, limit)
		removed = int(tag.RowsAffected())
		return err
	})
	return removed, err
}
