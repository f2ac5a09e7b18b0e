package service

import (
	"context"

	"golang.org/x/sync/errgroup"

	"evently/internal/domain"
)

// sweepers is how many transactions of one instance end expired holds at a time.
const sweepers = 2

// ExpireDue ends expired holds, batch by batch until none is left or ctx ends, and returns their number.
func (b *Bookings) ExpireDue(ctx context.Context) (int, error) {
	var counts [sweepers]int
	group, ctx := errgroup.WithContext(ctx)
	for i := range sweepers {
		group.Go(func() error {
			return recovered(func() (err error) {
				for n := b.rules.CleanupBatch; err == nil && n == b.rules.CleanupBatch; counts[i] += n {
					n, err = b.expireBatch(ctx)
				}
				return err
			})
		})
	}
	err := group.Wait()
	total := 0
	for _, count := range counts {
		total += count
	}
	return total, err
}

func (b *Bookings) expireBatch(ctx context.Context) (int, error) {
	began := b.deps.Now()
	var changes []domain.Transition
	err := b.deps.Store.InTx(ctx, func(ctx context.Context) error {
		changes = nil
		due, err := b.deps.Store.LoadDueHolds(ctx, b.rules.CleanupBatch)
		for _, hold := range due {
			changes = append(changes, hold.End())
		}
		b.deps.Store.Save(ctx, changes...)
		return err
	})
	if err != nil {
		return 0, err
	}
	b.committed(ctx, changes, began)
	return len(changes), nil
}
