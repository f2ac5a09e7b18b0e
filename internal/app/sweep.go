package app

import (
	"context"
	"errors"
	"sync"
)

// sweepers is how many cleanups of holds run beside each other in one instance, as those of several
// instances do: each takes what no other has. One alone gets through 100,000 holds in a quarter of a
// minute when 32 clients book beside it.
const sweepers = 2

// beside runs n of the same and gives what they have dealt with together. A panic is that of whoever
// called it.
func beside(n int, run func(ctx context.Context) (int, error)) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		counts, errs, panics := make([]int, n), make([]error, n), make([]any, n)
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				defer func() { panics[i] = recover() }()
				counts[i], errs[i] = run(ctx)
			})
		}
		group.Wait()
		total := 0
		for i := range n {
			if panics[i] != nil {
				panic(panics[i])
			}
			total += counts[i]
		}
		return total, errors.Join(errs...)
	}
}
