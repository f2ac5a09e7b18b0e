package cache

import "sync"

// renewals are questions that are asked beside a request, and that nobody waits for but close.
type renewals struct {
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// begin lets ask run, unless they are closed.
func (r *renewals) begin(ask func()) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.running.Go(func() {
		// A panic must not end the process. It is not lost: the answer grows too old, and the one
		// who then has to wait for it asks, and panics, where it is seen.
		defer func() { _ = recover() }()
		ask()
	})
	return true
}

// close waits for those that run; there are no more from then on.
func (r *renewals) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.running.Wait()
}
