package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	expiring     = 100_000
	expiringHall = 10_000
	// expiryDelay is what the holds have left when they begin to be written, beside the time of the
	// calm measurement. Writing them takes some of it.
	expiryDelay = 25 * time.Second
	expiryBound = 10 * time.Second
	// expiryLead is how long before the holds run out the load beside the sweep begins.
	expiryLead = 2 * time.Second
	// sweepPoll is how often it is asked whether the sweep is over.
	sweepPoll   = 50 * time.Millisecond
	sweepWithin = time.Minute
)

// scenarioExpire lets 100,000 holds run out at one moment while others book.
func scenarioExpire(b *bench) *scenario {
	what := "expire 100,000 holds at once, beside 32 clients that lock"
	settings := []string{"CLEANUP_SCHEDULE=@every 1s"}
	return &scenario{name: "expire", what: what, whole: func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, settings, func(in *instance) error {
			buyers, err := in.addBuyers(ctx, bookingShows)
			if err != nil {
				return err
			}
			due, err := in.addHall(ctx, expiringHall, expiring/expiringHall)
			if err != nil {
				return err
			}
			lock := func(ctx context.Context, c *client) error {
				_, _, err := buyers.hold(ctx, c)
				return err
			}
			if err := in.drive(ctx, warmUp, lock).check(); err != nil {
				return err
			}
			var ratios []float64
			var calm, busy, took []time.Duration
			for range b.rounds {
				left := expiryDelay + b.lasting
				if err := in.addBookings(ctx, due, expiring, `'PENDING'`, fmt.Sprintf(`now() + interval '%d seconds'`, int(left.Seconds()))); err != nil {
					return err
				}
				quiet := in.drive(ctx, b.lasting, lock)
				if err := quiet.check(); err != nil {
					return err
				}
				sweep, beside, err := in.sweep(ctx, due, lock)
				if err != nil {
					return err
				}
				b.say("  lock p99 calm %s, beside the sweep %s (of %d); swept in %s", round(quiet.percentile(0.99)), round(beside.percentile(0.99)), beside.ops, round(sweep))
				ratios = append(ratios, float64(beside.percentile(0.99))/float64(quiet.percentile(0.99)))
				calm, busy, took = append(calm, quiet.percentile(0.99)), append(busy, beside.percentile(0.99)), append(took, sweep)
			}
			results = []result{
				{
					what: what, against: "lock p99 when it is calm", target: 2, atMost: true,
					value: "p99 " + round(median(busy)), measured: "p99 " + round(median(calm)), ratio: median(ratios),
					p99: median(busy), peak: in.memory("VmHWM"), bound: memoryBound,
				},
				{
					what: "… until the last of them is over", against: "10 s", target: 1, atMost: true,
					value: round(median(took)), measured: round(expiryBound), ratio: float64(median(took)) / float64(expiryBound),
				},
			}
			return nil
		})
		return results, err
	}}
}

// drive lets the usual number of clients do one and the same operation.
func (in *instance) drive(ctx context.Context, lasting time.Duration, op operation) *load {
	return drive(ctx, in.addr, clients, lasting, 0, func(int) operation { return op })
}

// dueHolds is the holds of a hall that run out at one moment.
type dueHolds struct {
	*hall
	expiresAt time.Time // by the clock of the database
	moment    time.Time // the same by ours
}

// holdsOf gives the holds of h that are to run out. All of them must still be held.
func (in *instance) holdsOf(ctx context.Context, h *hall) (*dueHolds, error) {
	var held int
	var first, last *time.Time
	var left float64
	err := in.pool.QueryRow(ctx, `
		SELECT count(*), min(expires_at), max(expires_at), coalesce(extract(epoch FROM max(expires_at) - clock_timestamp()), 0)::float8
		FROM bookings
		WHERE status = 'PENDING' AND show_id BETWEEN $1 AND $2`, h.firstShow, h.lastShow()).Scan(&held, &first, &last, &left)
	switch {
	case err != nil:
		return nil, err
	case held != expiring || !first.Equal(*last):
		return nil, fmt.Errorf("%d holds are left of the %d that were to run out at one moment", held, expiring)
	}
	return &dueHolds{hall: h, expiresAt: *last, moment: time.Now().Add(time.Duration(left * float64(time.Second)))}, nil
}

// sweep drives load from shortly before the holds of h run out until none of them is held any more.
// It gives the time from the moment when they ran out, and the operations that began in it.
func (in *instance) sweep(ctx context.Context, h *hall, op operation) (took time.Duration, beside *load, err error) {
	due, err := in.holdsOf(ctx, h)
	if err != nil {
		return 0, nil, err
	}
	if time.Until(due.moment) < expiryLead {
		return 0, nil, errors.New("the holds were written too slowly: they run out before the calm measurement is over")
	}
	if err := wait(ctx, time.Until(due.moment)-expiryLead); err != nil {
		return 0, nil, err
	}
	driven, stop := context.WithCancel(ctx)
	defer stop()
	beside = &load{}
	var mu sync.Mutex
	done := make(chan *load, 1)
	go func() {
		done <- in.drive(driven, expiryLead+sweepWithin, func(ctx context.Context, c *client) error {
			start := time.Now()
			err := op(ctx, c)
			if end := time.Now(); err == nil && !start.Before(due.moment) {
				mu.Lock()
				defer mu.Unlock()
				beside.ops++
				beside.latencies = append(beside.latencies, end.Sub(start))
			}
			return err
		})
	}()
	took, err = in.untilSwept(ctx, due)
	stop()
	all := <-done
	slices.Sort(beside.latencies)
	beside.elapsed = took
	return took, beside, errors.Join(err, all.check())
}

// untilSwept waits until none of the holds is held, and gives how long that was from their end on.
// A hold that ended before its time fails it.
func (in *instance) untilSwept(ctx context.Context, due *dueHolds) (time.Duration, error) {
	if err := wait(ctx, time.Until(due.moment)); err != nil {
		return 0, err
	}
	for left := true; left; {
		if err := wait(ctx, sweepPoll); err != nil {
			return 0, err
		}
		// By equality: the ends of the holds that the load takes are other ones.
		err := in.pool.QueryRow(ctx, `SELECT EXISTS (
			SELECT FROM bookings WHERE status = 'PENDING' AND expires_at = $1)`, due.expiresAt).Scan(&left)
		if err != nil {
			return 0, err
		}
		if time.Since(due.moment) > sweepWithin {
			return 0, errors.New("the sweep does not end")
		}
	}
	took := time.Since(due.moment)
	var ended int
	err := in.pool.QueryRow(ctx, `
		SELECT count(*) FROM bookings
		WHERE expires_at = $1 AND show_id BETWEEN $2 AND $3 AND cancel_reason = 'expired' AND cancelled_at >= expires_at`,
		due.expiresAt, due.firstShow, due.lastShow()).Scan(&ended)
	if err == nil && ended != expiring {
		err = fmt.Errorf("of %d holds, %d ended behind their time", expiring, ended)
	}
	return took, err
}

// wait waits for d; a d that is negative is none.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
