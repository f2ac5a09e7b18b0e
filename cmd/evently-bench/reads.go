package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	changesPerSecond = 200
	changers         = 8
)

// changingMapScenario reads a seat map that changes all the time. The changes are part of the figure: the
// yardstick has the processors to itself.
func changingMapScenario(b *bench) *scenario {
	return &scenario{
		name: "map-changing", what: "GET /shows/{id}/seats, 2,000 seats, gzip, 200 changes/s",
		against: "net/http, the same bytes from memory", unit: "requests/s", target: 0.40, requests: 1, sliced: true,
		prepare: func(ctx context.Context, in *instance) (service, yardstick measurement, err error) {
			users, err := in.addUsers(ctx, bookingUsers)
			if err != nil {
				return nil, nil, err
			}
			buyers, err := in.addBuyers(ctx, users, 1)
			if err != nil {
				return nil, nil, err
			}
			path := fmt.Sprintf("/api/v1/shows/%d/seats", buyers.hall.firstShow)
			memory, err := in.fromMemory(ctx, path)
			if err != nil {
				return nil, nil, err
			}
			read := expectOK(get(path, ""))
			service = func(ctx context.Context, duration time.Duration) (*load, error) {
				changes := in.startLoad(ctx, changers, changers*time.Second*2/changesPerSecond, buyers.lockAndCancel)
				l := drive(ctx, in.addr, clients, duration, read)
				changed := changes()
				b.say("  %.0f changes/s at the same time", 2*changed.rate())
				return l, changed.check()
			}
			return service, measured(memory, expectOK(get("/", ""))), nil
		},
	}
}

// startLoad runs op in the background until the returned function is called.
func (in *instance) startLoad(ctx context.Context, clients int, interval time.Duration, op operation) (stop func() *load) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan *load, 1)
	go func() {
		done <- driveEach(ctx, in.addr, clients, time.Hour, interval, func(int) operation { return op })
	}()
	return func() *load {
		cancel()
		return <-done
	}
}

// lockAndCancel changes the map of the first show twice.
func (b *buyers) lockAndCancel(ctx context.Context, c *client) error {
	o := b.orderIn(0, b.orders.Add(1)-1)
	booking, err := eventlyAPI.hold(ctx, c, o)
	if err != nil {
		return err
	}
	_, err = c.expect(ctx, postOnce(fmt.Sprintf("/api/v1/bookings/%d/cancel", booking), o.user.token, "{}"), http.StatusOK)
	return err
}

func largeMapScenario() *scenario {
	return readScenario("map-large", "GET /shows/{id}/seats, 20,000 seats, gzip, no changes", 0.50,
		func(ctx context.Context, in *instance) (path string, err error) {
			h, err := in.addHall(ctx, 20_000, 1)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("/api/v1/shows/%d/seats", h.firstShow), nil
		})
}

func showsScenario() *scenario {
	return readScenario("shows", "GET /shows, 1,000 shows of 2,000 seats", 0.60,
		func(ctx context.Context, in *instance) (path string, err error) {
			_, err = in.addHall(ctx, 2_000, 1_000)
			return "/api/v1/shows", err
		})
}

// readScenario is a scenario of one GET whose response does not change.
func readScenario(name, what string, target float64, seed func(ctx context.Context, in *instance) (path string, err error)) *scenario {
	return &scenario{
		name: name, what: what, against: "net/http, the same bytes from memory",
		unit: "requests/s", target: target, requests: 1, sliced: true,
		prepare: func(ctx context.Context, in *instance) (service, yardstick measurement, err error) {
			path, err := seed(ctx, in)
			if err != nil {
				return nil, nil, err
			}
			memory, err := in.fromMemory(ctx, path)
			if err != nil {
				return nil, nil, err
			}
			return measured(in.process, expectOK(get(path, ""))),
				measured(memory, expectOK(get("/", ""))), nil
		},
	}
}

const hammerers = 50

var errNoLogins = errors.New("no login succeeded")

// loginScenario compares bookings during a flood of logins with bookings alone.
func loginScenario(b *bench) *scenario {
	return &scenario{
		name: "login", what: "whole bookings, 32 clients, while 50 clients log in",
		against: "the same without logins", unit: "bookings/s", target: 0.50, requests: 3,
		prepare: func(ctx context.Context, in *instance) (service, yardstick measurement, err error) {
			users, err := in.addUsers(ctx, bookingUsers)
			if err != nil {
				return nil, nil, err
			}
			buyers, err := in.addBuyers(ctx, users, bookingShows)
			if err != nil {
				return nil, nil, err
			}
			book := buyers.book(eventlyAPI)
			service = func(ctx context.Context, duration time.Duration) (*load, error) {
				logins := in.startLoad(ctx, hammerers, 0, logIn(in.stack.adminPassword))
				l := drive(ctx, in.addr, clients, duration, book)
				loggedIn := logins()
				b.say("  %.0f responses to logins/s at the same time", loggedIn.rate())
				if loggedIn.ops == 0 {
					return l, errors.Join(errNoLogins, loggedIn.failure)
				}
				return l, nil
			}
			return service, measured(in.process, book), nil
		},
	}
}

// logIn accepts that the service refuses logins while too many are waiting.
func logIn(password string) func(context.Context, *client) error {
	body := fmt.Sprintf(`{"email":%q,"password":%q}`, adminEmail, password)
	return func(ctx context.Context, c *client) error {
		status, response, err := c.do(ctx, post("/api/v1/auth/login", "", body))
		if err == nil && status != http.StatusOK && status != http.StatusServiceUnavailable {
			err = fmt.Errorf("login: status %d: %.200s", status, response)
		}
		return err
	}
}
