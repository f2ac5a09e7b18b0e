package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// sweepers is how many cleanups of holds run at once in one instance. They skip each other's rows. A
// single one needs 15 s for 100,000 holds while 32 clients book.
const sweepers = 2

// parallel returns a function that calls run n times concurrently and returns the sum of the counts
// and all errors. A panic in run is returned as an error with its stack.
func parallel(n int, run func(ctx context.Context) (int, error)) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		counts, errs := make([]int, n), make([]error, n)
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				defer func() {
					if cause := recover(); cause != nil {
						errs[i] = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
					}
				}()
				counts[i], errs[i] = run(ctx)
			})
		}
		group.Wait()
		total := 0
		for _, count := range counts {
			total += count
		}
		return total, errors.Join(errs...)
	}
}
