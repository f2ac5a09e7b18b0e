package service

import (
	"context"

	"evently/internal/domain"
)

// Replay returns the stored response of a request that is about to be refused, or the zero Response. It fails with
// domain.ErrIdempotencyInProgress or domain.ErrIdempotencyKeyReused.
func (b *Bookings) Replay(ctx context.Context, key domain.RequestKey) (Response, error) {
	if key.IsZero() {
		return Response{}, nil
	}
	response, err := b.deps.Store.StoredResponse(ctx, key, b.rules.KeepResponses)
	response.Replayed = true
	return response, err
}

const purgeBatch = 1000

// PurgeKeys deletes the idempotency keys that are too old to be replayed and returns their number.
func (b *Bookings) PurgeKeys(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := b.deps.Store.PurgeKeys(ctx, b.rules.KeepResponses, purgeBatch)
		total += n
		if err != nil || n < purgeBatch {
			return total, err
		}
	}
}
