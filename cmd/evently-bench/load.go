package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// load is what clients did in a measurement.
type load struct {
	ops       int
	elapsed   time.Duration
	latencies []time.Duration // of operations, ascending
	locks     []time.Duration // of the locks within whole bookings, ascending
	failures  int
	failure   error // the first
}

func (l *load) rate() float64 { return float64(l.ops) / l.elapsed.Seconds() }

// check returns an error if more than one in a thousand operations failed.
func (l *load) check() error {
	if l.failures*1000 > l.ops || l.ops == 0 {
		return fmt.Errorf("%d of %d operations failed: %w", l.failures, l.ops+l.failures, l.failure)
	}
	return nil
}

// add adds a load that ran before or after l.
func (l *load) add(other *load) {
	l.elapsed += other.elapsed
	l.merge(other)
	l.sort()
}

func (l *load) merge(other *load) {
	l.ops += other.ops
	l.failures += other.failures
	if l.failure == nil {
		l.failure = other.failure
	}
	l.latencies = append(l.latencies, other.latencies...)
	l.locks = append(l.locks, other.locks...)
}

func (l *load) sort() {
	slices.Sort(l.latencies)
	slices.Sort(l.locks)
}

// operation is one unit of load: one or more requests.
type operation func(ctx context.Context, c *client) error

// drive runs op on concurrent clients, each one operation after the other.
func drive(ctx context.Context, addr string, clients int, duration time.Duration, op operation) *load {
	return driveEach(ctx, addr, clients, duration, 0, func(int) operation { return op })
}

// driveEach is drive with an operation for each client and a least interval between its operations.
func driveEach(ctx context.Context, addr string, clients int, duration, interval time.Duration, opFor func(client int) operation) *load {
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	parts := make([]load, clients)
	var group sync.WaitGroup
	start := time.Now()
	for i := range clients {
		group.Go(func() {
			c := newClient(addr, i)
			defer c.close()
			parts[i].run(ctx, c, interval, opFor(i))
			parts[i].locks = c.locks
		})
	}
	group.Wait()
	total := &load{elapsed: time.Since(start)}
	for i := range parts {
		total.merge(&parts[i])
	}
	total.sort()
	return total
}

func (l *load) run(ctx context.Context, c *client, interval time.Duration, op operation) {
	for ctx.Err() == nil {
		start := time.Now()
		l.do(ctx, c, op)
		if rest := interval - time.Since(start); rest > 0 {
			_ = wait(ctx, rest) // the loop ends with ctx
		}
	}
}

// do runs op once. A failure after the end of ctx does not count.
func (l *load) do(ctx context.Context, c *client, op operation) {
	start := time.Now()
	err := op(ctx, c)
	switch {
	case err == nil:
		l.ops++
		l.latencies = append(l.latencies, time.Since(start))
	case ctx.Err() == nil:
		l.failures++
		if l.failure == nil {
			l.failure = err
		}
	}
}

// wait waits for d or the end of ctx.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// expectOK returns the operation that sends req and expects the status 200.
func expectOK(req []byte) operation {
	return func(ctx context.Context, c *client) error {
		_, err := c.expect(ctx, req, http.StatusOK)
		return err
	}
}
