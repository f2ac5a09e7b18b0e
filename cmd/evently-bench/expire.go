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
	expiringHolds = 100_000
	expiringSeats = 10_000 // per show
	expiryBound   = 12 * time.Second
	// expiryDelay is the time left to holds when they are inserted, without the calm measurement. The
	// insertion takes some of it.
	expiryDelay = 25 * time.Second
	// expiryLead is how long before the expiry the load during the sweep starts.
	expiryLead  = 2 * time.Second
	sweepPoll   = 50 * time.Millisecond
	sweepWithin = time.Minute
)

// expireScenario lets many holds expire at one moment while 32 clients lock seats.
func expireScenario(b *bench) *scenario {
	s := &scenario{name: "expire", what: "100,000 holds expire at once, while 32 clients lock"}
	s.whole = func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, []string{"CLEANUP_SCHEDULE=@every 1s"}, func(in *instance) error {
			users, err := in.addUsers(ctx, bookingUsers)
			if err != nil {
				return err
			}
			buyers, err := in.addBuyers(ctx, users, bookingShows)
			if err != nil {
				return err
			}
			holds := b.scaled(expiringHolds)
			due, err := in.addHall(ctx, expiringSeats, holds/expiringSeats)
			if err != nil {
				return err
			}
			// The server is still writing the seats: with all clients at once some connections would come too late.
			for n := clients / 4; n <= clients; n += clients / 4 {
				if err := drive(ctx, in.addr, n, warmUp, buyers.lock).check(); err != nil {
					return err
				}
			}
			var rounds []sweep
			for range b.rounds {
				r, err := b.sweep(ctx, in, due, holds, buyers.lock)
				if err != nil {
					return err
				}
				b.say("  p99 of locks %s, during the sweep %s; swept in %s", short(r.calm), short(r.busy), short(r.took))
				rounds = append(rounds, r)
			}
			results = s.sweepResults(rounds, in.memory("VmHWM"))
			return nil
		})
		return results, err
	}
	return s
}

// sweep is one measurement of an expiry.
type sweep struct {
	took       time.Duration // until no expired hold is left
	calm, busy time.Duration // p99 of locks before and during the sweep
}

func (s *scenario) sweepResults(rounds []sweep, peak int64) []result {
	calm := medianOf(rounds, func(r sweep) time.Duration { return r.calm })
	busy := medianOf(rounds, func(r sweep) time.Duration { return r.busy })
	took := medianOf(rounds, func(r sweep) time.Duration { return r.took })
	return []result{
		{
			what: s.what + ", p99 of a lock", value: short(busy), yardstick: "before the expiry: " + short(calm),
			ratio:  medianOf(rounds, func(r sweep) float64 { return float64(r.busy) / float64(r.calm) }),
			target: 2, atMost: true, p99: busy, peak: peak,
		},
		within("… until all are cancelled", took, expiryBound, short),
	}
}

// lock holds the seats of the next order.
func (b *buyers) lock(ctx context.Context, c *client) error {
	o, err := b.order()
	if err != nil {
		return err
	}
	_, err = eventlyAPI.hold(ctx, c, o)
	return err
}

func (b *bench) sweep(ctx context.Context, in *instance, h *hall, holds int, op operation) (sweep, error) {
	left := expiryDelay + b.duration
	if err := in.addBookings(ctx, h, holds, `'PENDING'`, fmt.Sprintf(`now() + interval '%d milliseconds'`, left.Milliseconds())); err != nil {
		return sweep{}, err
	}
	calm := drive(ctx, in.addr, clients, b.duration, op)
	if err := calm.check(); err != nil {
		return sweep{}, err
	}
	due, err := in.holdsOf(ctx, h, holds)
	if err != nil {
		return sweep{}, err
	}
	took, busy, err := in.duringSweep(ctx, due, op)
	return sweep{took: took, calm: percentile(calm.latencies, 0.99), busy: percentile(busy, 0.99)}, err
}

// dueHolds are the holds of a hall, which expire at one moment.
type dueHolds struct {
	*hall
	count     int
	expiresAt time.Time // on the database's clock
	moment    time.Time // the same on ours
}

// holdsOf returns the holds of h, or an error unless all of them are still held.
func (in *instance) holdsOf(ctx context.Context, h *hall, count int) (*dueHolds, error) {
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
	case held != count || !first.Equal(*last):
		return nil, fmt.Errorf("%d of %d holds are left before the expiry", held, count)
	}
	return &dueHolds{h, count, *last, time.Now().Add(time.Duration(left * float64(time.Second)))}, nil
}

// duringSweep runs load from shortly before the expiry until no expired hold is left. It returns the time
// from the expiry until then, and the ascending latencies of the operations that started in that time.
func (in *instance) duringSweep(ctx context.Context, due *dueHolds, op operation) (took time.Duration, latencies []time.Duration, err error) {
	if time.Until(due.moment) < expiryLead {
		return 0, nil, errors.New("the machine is too slow: the holds expired before the calm measurement ended")
	}
	if err := wait(ctx, time.Until(due.moment)-expiryLead); err != nil {
		return 0, nil, err
	}
	var mu sync.Mutex
	stop := in.startLoad(ctx, clients, 0, func(ctx context.Context, c *client) error {
		start := time.Now()
		err := op(ctx, c)
		if took := time.Since(start); err == nil && !start.Before(due.moment) {
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took)
		}
		return err
	})
	took, err = in.untilSwept(ctx, due)
	all := stop()
	slices.Sort(latencies)
	return took, latencies, errors.Join(err, all.check())
}

// untilSwept waits until no expired hold is left and returns the time since the expiry. It fails if a hold
// ended too early.
func (in *instance) untilSwept(ctx context.Context, due *dueHolds) (time.Duration, error) {
	if err := wait(ctx, time.Until(due.moment)); err != nil {
		return 0, err
	}
	for left := true; left; {
		if err := wait(ctx, sweepPoll); err != nil {
			return 0, err
		}
		// The holds of the load expire at other moments.
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
	if err == nil && ended != due.count {
		err = fmt.Errorf("%d of %d holds were cancelled after their expiry", ended, due.count)
	}
	return took, err
}
