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
	// The lock lasts as long as the transaction that does the work.
	tryLockKey = `SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(' ', 'key', $1::bigint, $2::text, $3::text), 0))`

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

// maxKeys is how many keys one user may have.
const maxKeys = 20_000

// storedKey is a row of idempotency_keys.
type storedKey struct {
	fingerprint []byte
	response    service.Response
	running     bool // a payment with this key is under way
}

// BeginKey implements service.BookingStore.
func (s *Store) BeginKey(ctx context.Context, key domain.RequestKey, keepFor time.Duration) (service.Response, error) {
	var locked, exhausted bool
	var stored []storedKey
	batch := &pgx.Batch{}
	batch.Queue(tryLockKey, key.UserID, key.Route, key.Key).QueryRow(func(row pgx.Row) error { return row.Scan(&locked) })
	queueReadKey(batch, key, keepFor, &stored)
	batch.Queue(keysExhausted, key.UserID, maxKeys-1).QueryRow(func(row pgx.Row) error { return row.Scan(&exhausted) })
	if err := s.send(ctx, batch); err != nil {
		return service.Response{}, err
	}
	switch {
	case !locked:
		return service.Response{}, domain.ErrIdempotencyInProgress
	case len(stored) > 0:
		return stored[0].replay(key)
	case exhausted:
		return service.Response{}, domain.ErrTooManyKeys
	}
	return service.Response{}, nil
}

// StoredResponse implements service.BookingStore.
func (s *Store) StoredResponse(ctx context.Context, key domain.RequestKey, keepFor time.Duration) (service.Response, error) {
	var stored []storedKey
	batch := &pgx.Batch{}
	queueReadKey(batch, key, keepFor, &stored)
	if err := s.send(ctx, batch); err != nil || len(stored) == 0 {
		return service.Response{}, err
	}
	return stored[0].replay(key)
}

func queueReadKey(batch *pgx.Batch, key domain.RequestKey, keepFor time.Duration, stored *[]storedKey) {
	batch.Queue(readKey, key.UserID, key.Route, key.Key, keepFor).Query(func(rows pgx.Rows) (err error) {
		*stored, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (storedKey, error) {
			var k storedKey
			err := row.Scan(&k.fingerprint, &k.response.Status, &k.response.Body, &k.running)
			return k, err
		})
		return err
	})
}

// replay returns the stored response, the zero Response for a claim that ran out.
func (k storedKey) replay(key domain.RequestKey) (service.Response, error) {
	switch {
	case !bytes.Equal(k.fingerprint, key.Fingerprint):
		return service.Response{}, domain.ErrIdempotencyKeyReused
	case k.running:
		return service.Response{}, domain.ErrIdempotencyInProgress
	case k.response.IsZero():
		return service.Response{}, nil
	}
	k.response.Replayed = true
	return k.response, nil
}

// StoreResponse implements service.BookingStore.
func (s *Store) StoreResponse(ctx context.Context, key domain.RequestKey, response service.Response) {
	enqueue(ctx, storeResponse, key.UserID, key.Route, key.Key, key.Fingerprint, response.Status, response.Body)
}

// ClaimKey implements service.PaymentStore.
func (s *Store) ClaimKey(ctx context.Context, key domain.RequestKey, claimFor time.Duration) {
	enqueue(ctx, claimKey, key.UserID, key.Route, key.Key, key.Fingerprint, claimFor)
}

// ReleaseKey implements service.PaymentStore.
func (s *Store) ReleaseKey(ctx context.Context, key domain.RequestKey) {
	enqueue(ctx, releaseKey, key.UserID, key.Route, key.Key)
}

// PurgeKeys implements service.IdempotencyStore.
func (s *Store) PurgeKeys(ctx context.Context, age time.Duration, limit int) (int, error) {
	removed := 0
	err := s.run(ctx, func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, purgeKeys, age, limit)
		removed = int(tag.RowsAffected())
		return err
	})
	return removed, err
}
