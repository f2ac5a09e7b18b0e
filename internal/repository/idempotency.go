package repository

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"evently/internal/domain"
	"evently/internal/service"
)

const (
	// lockKey fails while another transaction has the key, so that no statement after it waits. Inside the CASE the
	// cast could be evaluated when the statement is planned.
	lockKey = `
		SELECT (CASE
			WHEN pg_try_advisory_xact_lock(hashtextextended(concat_ws(' ', 'key', $1::bigint, $2::text, $3::text), 0)) THEN '0'
			ELSE 'the idempotency key is in use by user ' || $1::bigint
		END)::int`

	// readKey follows lockKey, so that it sees what the request before has stored.
	readKey = `
		SELECT request_hash, coalesce(response_status, 0), coalesce(response_body, ''), coalesce(claimed_until > now(), false)
		FROM idempotency_keys
		WHERE user_id = $1 AND route = $2 AND idempotency_key = $3 AND created_at > now() - $4::interval`

	keysExhausted = `SELECT EXISTS (SELECT FROM idempotency_keys WHERE user_id = $1 OFFSET $2)`

	storeResponse = `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, response_status, response_body)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (user_id, route, idempotency_key) DO UPDATE
		SET request_hash = excluded.request_hash, claimed_until = NULL, created_at = excluded.created_at,
		    response_status = excluded.response_status, response_body = excluded.response_body`

	claimKey = `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, claimed_until)
		VALUES ($1, $2, $3, $4, now() + $5::interval)
		ON CONFLICT (user_id, route, idempotency_key) DO UPDATE
		SET request_hash = excluded.request_hash, claimed_until = excluded.claimed_until, created_at = excluded.created_at,
		    response_status = NULL, response_body = NULL`

	releaseKey = `
		DELETE FROM idempotency_keys
		WHERE user_id = $1 AND route = $2 AND idempotency_key = $3 AND response_status IS NULL`

	purgeKeys = `
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

const maxKeys = 20_000

func (s *Store) BeginKey(ctx context.Context, key domain.RequestKey, keepFor time.Duration) {
	queue := transactionFrom(ctx).queue
	queue.Queue(lockKey, key.UserID, key.Route, key.Key).QueryRow(func(row pgx.Row) error {
		err := row.Scan(new(int))
		if hasCode(err, codeInvalidText) {
			return domain.ErrIdempotencyInProgress
		}
		return err
	})
	known := false
	queueReadKey(queue, key, keepFor, func(stored service.Response) error {
		known = true
		if stored.IsZero() { // a claim that ran out
			return nil
		}
		return &service.Replay{Response: stored}
	})
	queue.Queue(keysExhausted, key.UserID, maxKeys-1).QueryRow(func(row pgx.Row) error {
		var exhausted bool
		if err := row.Scan(&exhausted); err != nil {
			return err
		}
		if exhausted && !known {
			return domain.ErrTooManyKeys
		}
		return nil
	})
}

func (s *Store) StoredResponse(ctx context.Context, key domain.RequestKey, keepFor time.Duration) (response service.Response, err error) {
	batch := &pgx.Batch{}
	queueReadKey(batch, key, keepFor, func(stored service.Response) error {
		response = stored
		return nil
	})
	return response, s.send(ctx, batch)
}

// queueReadKey queues a read of the key, and passes what is stored for it to found, unless the key is new.
func queueReadKey(batch *pgx.Batch, key domain.RequestKey, keepFor time.Duration, found func(stored service.Response) error) {
	batch.Queue(readKey, key.UserID, key.Route, key.Key, keepFor).QueryRow(func(row pgx.Row) error {
		var (
			fingerprint []byte
			response    service.Response
			claimed     bool
		)
		err := row.Scan(&fingerprint, &response.Status, &response.Body, &claimed)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return err
		case !bytes.Equal(fingerprint, key.Fingerprint):
			return domain.ErrIdempotencyKeyReused
		case claimed: // by a payment that is under way
			return domain.ErrIdempotencyInProgress
		}
		return found(response)
	})
}

func (s *Store) StoreResponse(ctx context.Context, key domain.RequestKey, response service.Response) {
	enqueue(ctx, storeResponse, key.UserID, key.Route, key.Key, key.Fingerprint, response.Status, response.Body)
}

func (s *Store) ClaimKey(ctx context.Context, key domain.RequestKey, claimFor time.Duration) {
	enqueue(ctx, claimKey, key.UserID, key.Route, key.Key, key.Fingerprint, claimFor)
}

func (s *Store) ReleaseKey(ctx context.Context, key domain.RequestKey) {
	enqueue(ctx, releaseKey, key.UserID, key.Route, key.Key)
}

func (s *Store) PurgeKeys(ctx context.Context, age time.Duration, limit int) (int, error) {
	return s.exec(ctx, purgeKeys, age, limit)
}
