package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	growthLocks  = 1_500 // measured for each size
	growthUsers  = 2_000
	growthTarget = 1.2
)

// target is a hall on a service in which single seats are locked, one behind the other.
type target struct {
	label  string
	in     *instance
	hall   *hall
	tokens []string
	next   int
	took   []time.Duration
}

func (t *target) lock(ctx context.Context, c *client) error {
	// Seats far from each other, so that the whole of the show is used.
	seat := t.hall.firstSeat + int64(t.next*7919%t.hall.seats)
	show := t.hall.firstShow + int64(t.next/t.hall.seats)
	req := post("/api/v1/bookings/lock", t.tokens[t.next%len(t.tokens)], fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, show, seat))
	t.next++
	start := time.Now()
	err := fixed(req, http.StatusOK)(ctx, c)
	t.took = append(t.took, time.Since(start))
	return err
}

// compare locks a seat of each target in turn, over and over, and sets the medians of their times
// against each other. What disturbs the machine disturbs them alike.
func (b *bench) compare(ctx context.Context, what string, targets ...*target) ([]result, error) {
	var slowest, fastest time.Duration
	connections := make([]*client, len(targets))
	for i, t := range targets {
		connections[i] = &client{addr: t.in.addr}
		defer connections[i].close()
	}
	locks := growthLocks
	if b.rounds == 1 {
		locks /= 10
	}
	for range locks {
		for i, t := range targets {
			if err := t.lock(ctx, connections[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", t.label, err)
			}
		}
	}
	labels := ""
	for _, t := range targets {
		m := median(t.took[len(t.took)/10:])
		b.say("  %s: lock %s", t.label, round(m))
		if fastest == 0 || m < fastest {
			fastest = m
		}
		slowest = max(slowest, m)
		labels += fmt.Sprintf("%s %s; ", t.label, round(m))
	}
	return []result{{
		what: what, against: "the fastest size", target: growthTarget, atMost: true,
		value: labels[:len(labels)-2], measured: round(fastest), ratio: float64(slowest) / float64(fastest), p50: slowest,
	}}, nil
}

func scenarioSeats(b *bench) *scenario {
	what := "lock one seat, shows of 1k, 10k, 100k seats"
	return &scenario{name: "growth-seats", what: what, whole: func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, nil, func(in *instance) error {
			tokens, err := in.addUsers(ctx, growthUsers)
			if err != nil {
				return err
			}
			var targets []*target
			for _, seats := range []int{1_000, 10_000, 100_000} {
				h, err := in.addHall(ctx, seats, 2)
				if err != nil {
					return err
				}
				targets = append(targets, &target{label: fmt.Sprintf("%dk", seats/1000), in: in, hall: h, tokens: tokens})
			}
			results, err = b.compare(ctx, what, targets...)
			return err
		})
		return results, err
	}}
}

// scenarioBookings lets the books grow under a running service. What is added is analyzed, whereupon
// its connections plan anew.
func scenarioBookings(b *bench) *scenario {
	what := "lock one seat, 10k, 100k, 1M bookings in the books"
	return &scenario{name: "growth-bookings", what: what, whole: func(ctx context.Context) (results []result, err error) {
		var targets []*target
		defer func() {
			for _, t := range targets {
				err = errors.Join(err, t.in.end(context.WithoutCancel(ctx)))
			}
		}()
		for _, bookings := range []int{10_000, 100_000, 1_000_000} {
			in, err := b.stack.serve(ctx)
			if err != nil {
				return nil, err
			}
			t := &target{label: fmt.Sprintf("%dk", bookings/1000), in: in}
			targets = append(targets, t)
			if t.tokens, err = in.addUsers(ctx, growthUsers); err != nil {
				return nil, err
			}
			if t.hall, err = in.addHall(ctx, 1_000, 3); err != nil {
				return nil, err
			}
			c := &client{addr: in.addr}
			for range 100 {
				if err := t.lock(ctx, c); err != nil {
					return nil, err
				}
			}
			c.close()
			if err := in.addHistory(ctx, bookings); err != nil {
				return nil, err
			}
		}
		return b.compare(ctx, what, targets...)
	}}
}

const (
	readyBound = 300 * time.Millisecond
	idleBound  = 30 << 20
	idleAfter  = 5 * time.Second
)

func scenarioStart(b *bench) *scenario {
	return &scenario{name: "start", what: "start on a migrated database, and then idle", whole: func(ctx context.Context) (results []result, err error) {
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
			idle := in.memory("VmRSS")
			b.say("  ready in %s; idle %d MB, peak %d MB", round(median(ready)), idle>>20, in.memory("VmHWM")>>20)
			results = []result{
				{
					what: "start on a migrated database", against: "300 ms", target: 1, atMost: true,
					value: round(median(ready)), measured: round(readyBound), ratio: float64(median(ready)) / float64(readyBound), p50: median(ready),
				},
				{
					what: "memory when idle", against: "30 MB", target: 1, atMost: true,
					value: fmt.Sprintf("%.1f MB", float64(idle)/(1<<20)), measured: "30 MB", ratio: float64(idle) / idleBound,
				},
			}
			return nil
		})
		return results, err
	}}
}
