package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

const (
	changesASecond = 200
	changers       = 8
	// settle is how long the yardstick runs before it is measured.
	settle = 300 * time.Millisecond
)

// scenarioChangingMap reads a seat map while it changes all the time. The yardstick has the
// processors for itself: that the changes cost something, too, is part of the figure.
func scenarioChangingMap(b *bench) *scenario {
	var buyers *buyers
	var body []byte
	var path string
	return &scenario{
		name: "map-changing", what: "GET /shows/{id}/seats, 2,000 seats, gzip, 200 locks/s change it",
		against: "net/http, those bytes from memory", unit: "requests/s", target: 0.60, requests: 1, sliced: true,
		prepare: func(ctx context.Context, in *instance) (err error) {
			if buyers, err = in.addBuyers(ctx, 1); err != nil {
				return err
			}
			path = fmt.Sprintf("/api/v1/shows/%d/seats", buyers.hall.firstShow)
			body, err = in.fetch(ctx, path)
			return err
		},
		measure: func(ctx context.Context, in *instance) (*load, error) {
			stop, cancel := context.WithCancel(ctx)
			var group sync.WaitGroup
			var changes *load
			group.Go(func() {
				changes = drive(stop, in.addr, changers, time.Hour, changers*time.Second/changesASecond, func(int) operation {
					return buyers.change
				})
			})
			l := drive(ctx, in.addr, clients, b.lasting, 0, func(int) operation {
				return fixed(get(path, ""), http.StatusOK)
			})
			cancel()
			group.Wait()
			b.say("  beside it: %.0f changes/s", 2*changes.rate())
			return l, changes.check()
		},
		yardstick: func(ctx context.Context, _ *instance, _ int) (float64, error) { return b.fromMemory(ctx, body) },
	}
}

// change locks two seats and gives them back at once, so that the show never sells out.
func (b *buyers) change(ctx context.Context, c *client) error {
	n := b.next.Add(1) - 1
	token := b.tokens[n%int64(len(b.tokens))]
	seat := b.hall.firstSeat + n%bookingsAShow*2
	status, body, err := c.do(ctx, post("/api/v1/bookings/lock", token,
		fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d,%d]}`, b.hall.firstShow, seat, seat+1)))
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("lock: status %d: %.200s: %w", status, body, err)
	}
	return fixed(post(fmt.Sprintf("/api/v1/bookings/%d/cancel", number(body, "booking_id")), token, "{}"), http.StatusOK)(ctx, c)
}

func scenarioLargeMap(b *bench) *scenario {
	s := b.reading("map-large", "GET /shows/{id}/seats, 20,000 seats, gzip, no changes", 0.80,
		func(ctx context.Context, in *instance) (string, error) {
			h, err := in.addHall(ctx, 20_000, 1)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("/api/v1/shows/%d/seats", h.firstShow), nil
		})
	s.memory = memoryBoundMaps
	return s
}

func scenarioShows(b *bench) *scenario {
	return b.reading("shows", "GET /shows, 1,000 shows of 2,000 seats", 0.60,
		func(ctx context.Context, in *instance) (string, error) {
			_, err := in.addHall(ctx, 2_000, 1_000)
			return "/api/v1/shows", err
		})
}

// reading is a scenario of one GET that nothing changes.
func (b *bench) reading(name, what string, target float64, seed func(ctx context.Context, in *instance) (path string, err error)) *scenario {
	var path string
	var body []byte
	return &scenario{
		name: name, what: what, against: "net/http, those bytes from memory",
		unit: "requests/s", target: target, requests: 1, sliced: true,
		prepare: func(ctx context.Context, in *instance) (err error) {
			if path, err = seed(ctx, in); err != nil {
				return err
			}
			body, err = in.fetch(ctx, path)
			return err
		},
		measure: func(ctx context.Context, in *instance) (*load, error) {
			return drive(ctx, in.addr, clients, b.lasting, 0, func(int) operation {
				return fixed(get(path, ""), http.StatusOK)
			}), nil
		},
		yardstick: func(ctx context.Context, _ *instance, _ int) (float64, error) { return b.fromMemory(ctx, body) },
	}
}

// fetch gives the bytes that the service answers with.
func (in *instance) fetch(ctx context.Context, path string) ([]byte, error) {
	c := &client{addr: in.addr}
	defer c.close()
	status, body, err := c.do(ctx, get(path, ""))
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, status)
	}
	return slices.Clone(body), err
}

func (b *bench) fromMemory(ctx context.Context, body []byte) (rate float64, err error) {
	p, err := b.stack.memoryServer(ctx, body)
	if err != nil {
		return 0, err
	}
	ask := func(int) operation { return fixed(get("/", ""), http.StatusOK) }
	drive(ctx, p.addr, clients, settle, 0, ask) // it has just started
	l := drive(ctx, p.addr, clients, b.lasting, 0, ask)
	if err := p.stop(); err != nil {
		return 0, err
	}
	return l.rate(), l.check()
}
