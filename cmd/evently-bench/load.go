package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// load is how one run of a scenario went.
type load struct {
	ops       int
	elapsed   time.Duration
	latencies []time.Duration // ascending
	failures  int
	failure   error // the first
}

func (l *load) rate() float64 { return float64(l.ops) / l.elapsed.Seconds() }

// percentile gives the latency that the share p of the operations stayed within.
func (l *load) percentile(p float64) time.Duration {
	if len(l.latencies) == 0 {
		return 0
	}
	return l.latencies[min(len(l.latencies)-1, int(p*float64(len(l.latencies))))]
}

// check fails when an operation of more than one in a thousand went wrong.
func (l *load) check() error {
	if l.failures*1000 > l.ops || l.ops == 0 {
		return fmt.Errorf("%d of %d operations failed: %w", l.failures, l.ops+l.failures, l.failure)
	}
	return nil
}

// operation does one thing, by one or several requests.
type operation func(ctx context.Context, c *client) error

// drive lets clients do operations one behind the other for a while; each client has its own
// from perClient. pause, when not 0, is the least time from one operation of a client to its next.
func drive(ctx context.Context, addr string, clients int, lasting, pause time.Duration, perClient func(i int) operation) *load {
	ctx, cancel := context.WithTimeout(ctx, lasting)
	defer cancel()
	parts := make([]load, clients)
	var group sync.WaitGroup
	start := time.Now()
	for i := range clients {
		group.Go(func() {
			c := &client{addr: addr}
			defer c.close()
			parts[i].run(ctx, c, pause, perClient(i))
		})
	}
	group.Wait()
	total := &load{elapsed: time.Since(start)}
	for i := range parts {
		total.ops += parts[i].ops
		total.failures += parts[i].failures
		if total.failure == nil {
			total.failure = parts[i].failure
		}
		total.latencies = append(total.latencies, parts[i].latencies...)
	}
	slices.Sort(total.latencies)
	return total
}

// add adds another run, which was not at the same time.
func (l *load) add(other *load) {
	l.ops += other.ops
	l.elapsed += other.elapsed
	l.failures += other.failures
	if l.failure == nil {
		l.failure = other.failure
	}
	l.latencies = append(l.latencies, other.latencies...)
	slices.Sort(l.latencies)
}

func (l *load) run(ctx context.Context, c *client, pause time.Duration, op operation) {
	for ctx.Err() == nil {
		start := time.Now()
		err := op(ctx, c)
		took := time.Since(start)
		switch {
		case err == nil:
			l.ops++
			l.latencies = append(l.latencies, took)
		case ctx.Err() != nil:
			return
		default:
			l.failures++
			if l.failure == nil {
				l.failure = err
			}
		}
		if rest := pause - took; rest > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(rest):
			}
		}
	}
}

// fixed is the operation of one and the same request, which must be answered with status.
func fixed(req []byte, status int) operation {
	return func(ctx context.Context, c *client) error {
		got, body, err := c.do(ctx, req)
		if err == nil && got != status {
			err = fmt.Errorf("status %d, want %d: %.200s", got, status, body)
		}
		return err
	}
}

func median[T int | float64 | time.Duration](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
