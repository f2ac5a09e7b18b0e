package repository

import (
	"bytes"
	"context"
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

	// readKey follows lockKey, so that it sees what the request before has stored. It returns one row.
	readKey = `
		SELECT k.request_hash, coalesce(k.response_status, 0), coalesce(k.response_body, ''), coalesce(k.claimed_until > now(), false),
		       EXISTS (SELECT FROM idempotency_keys WHERE user_id = $1 OFFSET $5)
		FROM (SELECT) AS one
		LEFT JOIN idempotency_keys AS k
		  ON k.user_id = $1 AND k.route = $2 AND k.idempotency_key = $3 AND k.created_at > now() - $4::interval`

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
	queueReadKey(queue, key, keepFor, func(stored service.Response, exhausted bool) error {
		switch {
		case !stored.IsZero():
			return &service.Replay{Response: stored}
		case exhausted:
			return domain.ErrTooManyKeys
		}
		return nil
	})
}

func (s *Store) StoredResponse(ctx context.Context, key domain.RequestKey, keepFor time.Duration) (response service.Response, err error) {
	batch := &pgx.Batch{}
	queueReadKey(batch, key, keepFor, func(stored service.Response, _ bool) error {
		response = stored
		return nil
	})
	return response, s.send(ctx, batch)
}

func queueReadKey(
	batch *pgx.Batch, key domain.RequestKey, keepFor time.Duration, found func(stored service.Response, exhausted bool) error,
) {
	batch.Queue(readKey, key.UserID, key.Route, key.Key, keepFor, maxKeys-1).QueryRow(func(row pgx.Row) error {
		var (
			fingerprint        []byte
			response           service.Response
			claimed, exhausted bool
		)
		if err := row.Scan(&fingerprint, &response.Status, &response.Body, &claimed, &exhausted); err != nil {
			return err
		}
		switch {
		case fingerprint == nil: // a new key
		case !bytes.Equal(fingerprint, key.Fingerprint):
			return domain.ErrIdempotencyKeyReused
		case claimed: // by a payment that is under way
			return domain.ErrIdempotencyInProgress
		default:
			exhausted = false // the key is among those that the user has
		}
		return found(response, exhausted)
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
