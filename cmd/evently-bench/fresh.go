package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

const (
	freshBookings   = 50_000
	plannedBookings = 100
	// One in maxUnsold bookings may fail: a service that has just started opens its connections then.
	maxUnsold = 2
)

// freshPlansScenario compares the first locks of a service with those after 50,000 bookings. Both services
// planned their statements on empty tables and keep those plans: nothing analyzes the tables since.
func freshPlansScenario(b *bench) *scenario {
	s := &scenario{name: "growth-fresh", what: "lock one seat with plans made for empty tables, at first and after 50k bookings"}
	s.whole = func(ctx context.Context) (results []result, err error) {
		var targets []*target
		defer func() { err = errors.Join(err, endAll(ctx, targets)) }()
		for _, sold := range []int{0, b.scaled(freshBookings)} {
			in, err := b.stack.serve(ctx)
			if err != nil {
				return nil, err
			}
			t := &target{label: "after " + thousands(sold), in: in}
			targets = append(targets, t)
			if t.users, err = in.planOnEmpty(ctx); err != nil {
				return nil, err
			}
			if err := in.sell(ctx, bookingSeats, sold, t.users); err != nil {
				return nil, err
			}
			if t.hall, err = in.addHall(ctx, 1_000, 2); err != nil {
				return nil, err
			}
		}
		return b.sizes(ctx, s.what, targets...)
	}
	return s
}

// planOnEmpty makes the service plan its statements while the tables are almost empty, and turns off
// autovacuum, which would analyze them. It returns the users.
func (in *instance) planOnEmpty(ctx context.Context) (users []user, err error) {
	in.unanalyzed = true
	err = in.exec(ctx, `
		DO $$
		DECLARE name text;
		BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
				EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', name);
			END LOOP;
		END $$`)
	if err != nil {
		return nil, err
	}
	if users, err = in.addUsers(ctx, growthUsers); err != nil {
		return nil, err
	}
	return users, in.sell(ctx, 2*plannedBookings, plannedBookings, users)
}

// sell makes about the given number of bookings through the service, in new shows with the given number of
// seats.
func (in *instance) sell(ctx context.Context, seats, bookings int, users []user) error {
	if bookings == 0 {
		return nil
	}
	h, err := in.addHall(ctx, seats, (2*bookings+seats-1)/seats)
	if err != nil {
		return err
	}
	buyers := &buyers{hall: h, users: users}
	book := buyers.book(eventlyAPI)
	parts := make([]load, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			c := newClient(in.addr, i)
			defer c.close()
			for range bookings / clients {
				parts[i].do(ctx, c, book)
			}
		})
	}
	group.Wait()
	total := &load{}
	for i := range parts {
		total.merge(&parts[i])
	}
	if total.failures*maxUnsold > bookings {
		return fmt.Errorf("%d of %d bookings failed: %w", total.failures, bookings, total.failure)
	}
	return nil
}
