package service

import (
	"context"

	"evently/internal/domain"
)

// maxUnreleased bounds the locks that are remembered for RetryReleases. Others expire.
const maxUnreleased = 10_000

// release removes Redis locks, also for a client that has gone.
func (b *Bookings) release(ctx context.Context, locks ...domain.SeatLock) {
	if len(locks) == 0 {
		return
	}
	ctx, cancel := b.afterCommit(ctx)
	defer cancel()
	if err := b.deps.Locks.Release(ctx, locks...); err != nil {
		b.deps.Log.DebugContext(ctx, "seat locks not released", "locks", len(locks), "error", err)
		b.remember(locks)
	}
}

func (b *Bookings) remember(locks []domain.SeatLock) {
	b.mu.Lock()
	defer b.mu.Unlock()
	locks = locks[:min(len(locks), maxUnreleased-len(b.unreleased))]
	b.unreleased = append(b.unreleased, locks...)
}

// RetryReleases removes the locks that could not be removed before, and returns how many holds they belong to. It
// fails, and keeps them, while Redis is away.
func (b *Bookings) RetryReleases(ctx context.Context) (int, error) {
	b.mu.Lock()
	locks := b.unreleased
	b.unreleased = nil
	b.mu.Unlock()
	for start := 0; start < len(locks); start += b.rules.CleanupBatch {
		batch := locks[start:min(start+b.rules.CleanupBatch, len(locks))]
		if err := b.deps.Locks.Release(ctx, batch...); err != nil {
			b.remember(locks[start:])
			return start, err
		}
	}
	return len(locks), nil
}
