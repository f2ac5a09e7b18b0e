package app

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// sweepers is how many cleanups of expired holds one instance runs concurrently. Each takes holds
// that no other has taken. One alone needs 15 s for 100,000 holds while 32 clients book.
const sweepers = 2

// parallel returns a function that runs n copies of run concurrently and adds up their results. A panic
// in one of them is raised again in the caller, with its stack.
func parallel(n int, run func(ctx context.Context) (int, error)) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		counts, errs, panics := make([]int, n), make([]error, n), make([]error, n)
		var group sync.WaitGroup
		for i := range n {
			group.Go(func() {
				defer func() {
					if cause := recover(); cause != nil {
						panics[i] = fmt.Errorf("%v\n%s", cause, debug.Stack())
					}
				}()
				counts[i], errs[i] = run(ctx)
			})
		}
		group.Wait()
		if err := errors.Join(panics...); err != nil {
			panic(err)
		}
		total := 0
		for _, count := range counts {
			total += count
		}
		return total, errors.Join(errs...)
	}
}
