package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	growthLocks  = 1_500 // measured for each size
	growthUsers  = 2_000
	growthTarget = 1.2
)

// target is a hall in which single seats are locked one after the other.
type target struct {
	label string
	in    *instance
	hall  *hall
	users []user
	next  int
	took  []time.Duration
}

func (t *target) lock(ctx context.Context, c *client) error {
	// 7919 is prime and spreads the seats over the show.
	seat := t.hall.firstSeat + int64(t.next*7919%t.hall.seats)
	show := t.hall.firstShow + int64(t.next/t.hall.seats)
	req := lockRequest(t.users[t.next%len(t.users)], show, seat)
	t.next++
	start := time.Now()
	_, err := c.expect(ctx, req, http.StatusOK)
	t.took = append(t.took, time.Since(start))
	return err
}

// sizes locks a seat of each target in turn and compares the slowest target with the fastest.
func (b *bench) sizes(ctx context.Context, what string, targets ...*target) ([]result, error) {
	connections := make([]*client, len(targets))
	for i, t := range targets {
		connections[i] = newClient(t.in.addr, i)
		defer connections[i].close()
	}
	for range b.scaled(growthLocks) {
		for i, t := range targets {
			if err := t.lock(ctx, connections[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", t.label, err)
			}
		}
	}
	var labels []string
	var slowest, fastest time.Duration
	for i, t := range targets {
		m := median(t.took[len(t.took)/10:]) // the first tenth warms up
		if i == 0 || m < fastest {
			fastest = m
		}
		slowest = max(slowest, m)
		labels = append(labels, t.label+" "+short(m))
	}
	b.say("  %s", strings.Join(labels, "; "))
	return []result{{
		what: what, value: strings.Join(labels, "; "), yardstick: "the fastest of them: " + short(fastest),
		ratio: float64(slowest) / float64(fastest), target: growthTarget, atMost: true, p50: slowest,
	}}, nil
}

func showSizesScenario(b *bench) *scenario {
	s := &scenario{name: "growth-seats", what: "lock one seat in shows of 1k, 10k and 100k seats"}
	s.whole = func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, nil, func(in *instance) error {
			users, err := in.addUsers(ctx, growthUsers)
			if err != nil {
				return err
			}
			var targets []*target
			for _, seats := range []int{1_000, 10_000, 100_000} {
				h, err := in.addHall(ctx, seats, 2)
				if err != nil {
					return err
				}
				targets = append(targets, &target{label: thousands(seats), in: in, hall: h, users: users})
			}
			results, err = b.sizes(ctx, s.what, targets...)
			return err
		})
		return results, err
	}
	return s
}

func thousands(n int) string { return fmt.Sprintf("%dk", n/1000) }

// booksScenario adds bookings to the database of a running service, and analyzes them.
func booksScenario(b *bench) *scenario {
	s := &scenario{name: "growth-bookings", what: "lock one seat with 10k, 100k and 1M bookings in the database"}
	s.whole = func(ctx context.Context) (results []result, err error) {
		var targets []*target
		defer func() { err = errors.Join(err, endAll(ctx, targets)) }()
		for _, bookings := range []int{b.scaled(10_000), b.scaled(100_000), b.scaled(1_000_000)} {
			in, err := b.stack.serve(ctx)
			if err != nil {
				return nil, err
			}
			t := &target{label: thousands(bookings), in: in}
			targets = append(targets, t)
			if t.users, err = in.addUsers(ctx, growthUsers); err != nil {
				return nil, err
			}
			if t.hall, err = in.addHall(ctx, 1_000, 3); err != nil {
				return nil, err
			}
			if err := t.lockFirst(ctx, 100); err != nil {
				return nil, err
			}
			if err := in.addHistory(ctx, bookings); err != nil {
				return nil, err
			}
		}
		return b.sizes(ctx, s.what, targets...)
	}
	return s
}

// lockFirst locks n seats before the measurement.
func (t *target) lockFirst(ctx context.Context, n int) error {
	c := newClient(t.in.addr, 0)
	defer c.close()
	for range n {
		if err := t.lock(ctx, c); err != nil {
			return err
		}
	}
	t.took = nil
	return nil
}

func endAll(ctx context.Context, targets []*target) (err error) {
	for _, t := range targets {
		err = errors.Join(err, t.in.end(context.WithoutCancel(ctx)))
	}
	return err
}

const (
	readyBound       = 300 * time.Millisecond
	idleBound  int64 = 45 << 20
	idleAfter        = 5 * time.Second
)

func startScenario(b *bench) *scenario {
	s := &scenario{name: "start", what: "start on a migrated database, then idle"}
	s.whole = func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, nil, func(in *instance) error {
			var ready []time.Duration
			for range 3 * b.rounds {
				if err := in.stop(); err != nil {
					return err
				}
				if err := in.start(ctx); err != nil {
					return err
				}
				ready = append(ready, in.ready)
			}
			if err := wait(ctx, idleAfter); err != nil {
				return err
			}
			results = []result{
				within("start on a migrated database", median(ready), readyBound, short),
				within("memory when idle", in.memory("VmRSS"), idleBound, megabytes),
			}
			return nil
		})
		return results, err
	}
	return s
}
