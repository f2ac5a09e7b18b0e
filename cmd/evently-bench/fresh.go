package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

const (
	grownBookings = 50_000
	plannedOn     = 100 // bookings, of two seats each
)

// scenarioFresh compares the first bookings of a service with those behind 50,000 others. Both
// services were started on empty tables, for which their connections have planned, and nothing has
// them plan anew: there is no ANALYZE, and autovacuum, which would bring one, is off.
func scenarioFresh(b *bench) *scenario {
	what := "lock one seat with plans of empty tables, at first and behind 50k bookings"
	return &scenario{name: "growth-fresh", what: what, whole: func(ctx context.Context) (results []result, err error) {
		bookings := grownBookings
		if b.rounds == 1 {
			bookings /= 10
		}
		var targets []*target
		defer func() {
			for _, t := range targets {
				err = errors.Join(err, t.in.end(context.WithoutCancel(ctx)))
			}
		}()
		for _, sold := range []int{0, bookings} {
			in, err := b.stack.serve(ctx)
			if err != nil {
				return nil, err
			}
			t := &target{label: fmt.Sprintf("behind %dk", sold/1000), in: in}
			targets = append(targets, t)
			if t.tokens, err = in.planOnEmpty(ctx); err != nil {
				return nil, err
			}
			if err := in.sell(ctx, 2*bookingsAShow, sold, t.tokens); err != nil {
				return nil, err
			}
			if t.hall, err = in.addHall(ctx, 1_000, 2); err != nil {
				return nil, err
			}
		}
		return b.compare(ctx, what, targets...)
	}}
}

// planOnEmpty has the connections of the service plan the statements of a booking while there is
// next to nothing in the tables, and sees to it that they keep those plans. It gives the access
// tokens of users.
func (in *instance) planOnEmpty(ctx context.Context) (tokens []string, err error) {
	in.unseen = true
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
	if tokens, err = in.addUsers(ctx, growthUsers); err != nil {
		return nil, err
	}
	return tokens, in.sell(ctx, 2*plannedOn, plannedOn, tokens)
}

// sell adds shows of so many seats, and lets the usual number of clients make bookings of two seats
// in them.
func (in *instance) sell(ctx context.Context, seats, bookings int, tokens []string) error {
	if bookings == 0 {
		return nil
	}
	h, err := in.addHall(ctx, seats, (2*bookings+seats-1)/seats)
	if err != nil {
		return err
	}
	buyers := &buyers{hall: h, tokens: tokens}
	failures := make([]error, clients)
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			c := &client{addr: in.addr}
			defer c.close()
			for range bookings / clients {
				if failures[i] = buyers.book(ctx, c); failures[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}
