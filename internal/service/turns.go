package service

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"evently/internal/domain"
)

// turns lets a bounded number of callers work at once, and others wait. Networks that wait take turns, so that one with many
// callers delays another by at most one turn each round; callers of one network are served in order.
type turns struct {
	maxWait    time.Duration
	maxWaiting int

	mu      sync.Mutex
	free    int
	waiting int
	queues  map[netip.Prefix][]*waiter // never empty ones
	next    []netip.Prefix             // the networks of queues, in the order of their turns
}

type waiter struct {
	turn chan error // capacity 1: nil for a turn, else why there is none
}

func newTurns(parallel, maxWaiting int, maxWait time.Duration) *turns {
	return &turns{maxWait: maxWait, maxWaiting: maxWaiting, free: parallel, queues: map[netip.Prefix][]*waiter{}}
}

// networkOf returns the network of the client of a request. A /48 is one: were each /56 of it a network, it would have
// nearly all turns. Work without a client is one network.
func networkOf(ctx context.Context) netip.Prefix {
	return domain.WidestNetwork(domain.RequestFrom(ctx).ClientAddr)
}

// acquire waits for a turn, which release ends. It returns domain.ErrOverloaded if there is none in time.
func (t *turns) acquire(ctx context.Context) error {
	network := networkOf(ctx)
	w := t.enter(network)
	timeout := time.NewTimer(t.maxWait)
	defer timeout.Stop()
	select {
	case err := <-w.turn:
		return err
	case <-timeout.C:
		t.leave(network, w)
		return overloaded(fmt.Errorf("no slot to hash a password within %s", t.maxWait))
	case <-ctx.Done():
		t.leave(network, w)
		err := fmt.Errorf("wait for a slot to hash a password: %w", context.Cause(ctx))
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return overloaded(err)
		}
		return err
	}
}

var errQueueFull = errors.New("the queue for password hashing is full")

// enter puts a caller in the queue of its network, unless it has its turn at once or the queue is full. In a full queue
// a network with few callers takes the last place of the network with the most.
func (t *turns) enter(network netip.Prefix) *waiter {
	w := &waiter{turn: make(chan error, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.free > 0 {
		t.free--
		w.turn <- nil
		return w
	}
	if t.waiting >= t.maxWaiting {
		longest := t.longest()
		if len(t.queues[longest]) <= len(t.queues[network])+1 {
			w.turn <- overloaded(errQueueFull)
			return w
		}
		last := t.queues[longest][len(t.queues[longest])-1]
		t.remove(longest, last)
		last.turn <- overloaded(errQueueFull)
	}
	if len(t.queues[network]) == 0 {
		t.next = append(t.next, network)
	}
	t.queues[network] = append(t.queues[network], w)
	t.waiting++
	return w
}

func (t *turns) longest() (longest netip.Prefix) {
	for network, queue := range t.queues {
		if len(queue) > len(t.queues[longest]) {
			longest = network
		}
	}
	return longest
}

// remove takes w out of its queue, and reports whether it was there. The caller holds the mutex.
func (t *turns) remove(network netip.Prefix, w *waiter) bool {
	i := slices.Index(t.queues[network], w)
	if i < 0 {
		return false
	}
	t.waiting--
	t.queues[network] = slices.Delete(t.queues[network], i, i+1)
	if len(t.queues[network]) == 0 {
		delete(t.queues, network)
		t.next = slices.DeleteFunc(t.next, func(n netip.Prefix) bool { return n == network })
	}
	return true
}

// leave takes a caller who no longer waits out of the queue, and passes on a turn that came meanwhile.
func (t *turns) leave(network netip.Prefix, w *waiter) {
	t.mu.Lock()
	waits := t.remove(network, w)
	t.mu.Unlock()
	if !waits && <-w.turn == nil {
		t.release()
	}
}

// release ends a turn, and gives it to the first caller of the network whose turn it is.
func (t *turns) release() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.next) == 0 {
		t.free++
		return
	}
	network := t.next[0]
	w := t.queues[network][0]
	t.next = append(t.next[1:], network) // behind the others; remove drops it if nobody is left
	t.remove(network, w)
	w.turn <- nil
}
