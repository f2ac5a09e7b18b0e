package service

import (
	"context"
	"crypto/rand"
	"time"

	"evently/internal/domain"
)

// Answer says what the client is told of a result, and whether that is the answer to keep: an
// outcome that is an error is answered and stored by whoever turns errors into answers.
type Answer[T any] func(T) (answer domain.StoredAnswer, keep bool)

// recorder is what recorded needs of a store.
type recorder interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error
	RecordAnswer(ctx context.Context, claim *domain.Claim, answer domain.StoredAnswer) error
}

// recorded does the work and, if the request carries an idempotency key, stores its answer in the
// same transaction: after a crash the work and the answer are both there, or neither is.
func recorded[T any](ctx context.Context, store recorder, answer Answer[T], work func(context.Context) (T, error)) (T, error) {
	claim := domain.ClaimFrom(ctx)
	if claim == nil {
		return work(ctx)
	}
	var result T
	kept := false
	err := store.InTx(ctx, func(ctx context.Context) error {
		var err error
		if result, err = work(ctx); err != nil {
			return err
		}
		stored, keep := answer(result)
		if kept = keep; !keep {
			return nil
		}
		return store.RecordAnswer(ctx, claim, stored)
	})
	claim.Recorded = err == nil && kept
	return result, err
}

// IdempotencyStore keeps answers by key.
type IdempotencyStore interface {
	recorder
	// ClaimKey claims a key that is new or older than keepFor, or whose claim ran out without an
	// answer. Otherwise it gives the stored answer, or fails with domain.ErrIdempotencyKeyReused for
	// another request hash and domain.ErrIdempotencyInProgress while the first request still runs.
	ClaimKey(ctx context.Context, claim domain.Claim, requestHash []byte, claimFor, keepFor time.Duration) (answer *domain.StoredAnswer, err error)
	// ReleaseClaim gives a key back that was claimed and not answered.
	ReleaseClaim(ctx context.Context, claim *domain.Claim) error
	// PurgeAnswers removes up to limit keys older than age and gives how many.
	PurgeAnswers(ctx context.Context, age time.Duration, limit int) (int, error)
}

// Idempotency lets a client repeat a request without doing its work twice.
type Idempotency struct {
	store    IdempotencyStore
	claimFor time.Duration
	keepFor  time.Duration
}

// purgeBatch is how many old keys one statement removes.
const purgeBatch = 1000

// NewIdempotency gives the use cases of idempotency keys. claimFor bounds how long a request that
// crashed keeps its key from being tried again; it must be longer than any request may take.
// keepFor is how long an answer can be had again.
func NewIdempotency(store IdempotencyStore, claimFor, keepFor time.Duration) *Idempotency {
	return &Idempotency{store: store, claimFor: claimFor, keepFor: keepFor}
}

// Begin claims a key for a request. It gives either a claim, and the request is to be served, or the
// answer that the first such request was given. It fails with domain.ErrIdempotencyKeyReused or
// domain.ErrIdempotencyInProgress.
func (i *Idempotency) Begin(ctx context.Context, userID int64, route, key string, requestHash []byte) (*domain.Claim, *domain.StoredAnswer, error) {
	claim := domain.Claim{UserID: userID, Route: route, Key: key, Token: rand.Text()}
	answer, err := i.store.ClaimKey(ctx, claim, requestHash, i.claimFor, i.keepFor)
	if err != nil || answer != nil {
		return nil, answer, err
	}
	return &claim, nil, nil
}

// Keep stores an answer that came without any work to store it with.
func (i *Idempotency) Keep(ctx context.Context, claim *domain.Claim, answer domain.StoredAnswer) error {
	return i.store.RecordAnswer(ctx, claim, answer)
}

// Release gives the key back: the answer was one that a repeat should not get again.
func (i *Idempotency) Release(ctx context.Context, claim *domain.Claim) error {
	return i.store.ReleaseClaim(ctx, claim)
}

// Purge removes the keys whose time is over and gives how many.
func (i *Idempotency) Purge(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := i.store.PurgeAnswers(ctx, i.keepFor, purgeBatch)
		total += n
		if err != nil || n < purgeBatch {
			return total, err
		}
	}
}
