package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// Two seats per booking. Each user books once in every tenth show, so that neither the limit of seats
// nor that of stored keys is reached.
const (
	bookingUsers = 10_000
	bookingShows = 120
	bookingSeats = 2_000
	showBookings = bookingSeats / 2
)

// buyers order the seats of a hall, two at a time and show after show.
type buyers struct {
	hall   *hall
	users  []user
	orders atomic.Int64
}

// order is a user's wish for a seat and the next one.
type order struct {
	user user
	show int64
	seat int64
}

func (in *instance) addBuyers(ctx context.Context, users []user, shows int) (*buyers, error) {
	h, err := in.addHall(ctx, bookingSeats, shows)
	return &buyers{hall: h, users: users}, err
}

func (b *buyers) order() (order, error) {
	n := b.orders.Add(1) - 1
	show := n / showBookings
	if show >= int64(b.hall.shows) {
		return order{}, fmt.Errorf("%d shows are sold out", b.hall.shows)
	}
	return b.orderIn(show, n), nil
}

func (b *buyers) orderIn(show, n int64) order {
	return order{
		user: b.users[n%int64(len(b.users))],
		show: b.hall.firstShow + show,
		seat: b.hall.firstSeat + n%showBookings*2,
	}
}

// bookingAPI builds the three requests of a booking for one kind of server.
type bookingAPI struct {
	lock    func(o order) []byte
	pay     func(o order, booking int64) []byte
	confirm func(o order, booking int64) []byte
}

var eventlyAPI = bookingAPI{
	lock: func(o order) []byte { return lockRequest(o.user, o.show, o.seat, o.seat+1) },
	pay: func(o order, booking int64) []byte {
		return postOnce("/api/v1/bookings/payments/simulate", o.user.token,
			fmt.Sprintf(`{"booking_id":%d,"amount":%d,"outcome":"success"}`, booking, 2*seatPrice))
	},
	confirm: func(o order, booking int64) []byte {
		return postOnce(fmt.Sprintf("/api/v1/bookings/%d/confirm", booking), o.user.token, "{}")
	},
}

var bareAPI = bookingAPI{
	lock: func(o order) []byte {
		return post("/lock", "", fmt.Sprintf(`{"user_id":%d,"show_id":%d,"seat_ids":[%d,%d]}`, o.user.id, o.show, o.seat, o.seat+1))
	},
	pay: func(o order, booking int64) []byte {
		return post("/pay", "", fmt.Sprintf(`{"user_id":%d,"booking_id":%d}`, o.user.id, booking))
	},
	confirm: func(o order, booking int64) []byte {
		return post("/confirm", "", fmt.Sprintf(`{"user_id":%d,"booking_id":%d}`, o.user.id, booking))
	},
}

func lockRequest(u user, show int64, seats ...int64) []byte {
	body := fmt.Appendf(nil, `{"show_id":%d,"seat_ids":[%d`, show, seats[0])
	for _, seat := range seats[1:] {
		body = fmt.Appendf(body, ",%d", seat)
	}
	return postOnce("/api/v1/bookings/lock", u.token, string(body)+"]}")
}

// hold locks the seats of an order and returns the booking.
func (api bookingAPI) hold(ctx context.Context, c *client, o order) (booking int64, err error) {
	body, err := c.expect(ctx, api.lock(o), http.StatusOK)
	return number(body, "booking_id"), err
}

// book locks, pays and confirms an order.
func (api bookingAPI) book(ctx context.Context, c *client, o order) error {
	start := time.Now()
	booking, err := api.hold(ctx, c, o)
	if err != nil {
		return err
	}
	c.locks = append(c.locks, time.Since(start))
	if _, err := c.expect(ctx, api.pay(o, booking), http.StatusOK); err != nil {
		return err
	}
	_, err = c.expect(ctx, api.confirm(o, booking), http.StatusOK)
	return err
}

func (b *buyers) book(api bookingAPI) operation {
	return func(ctx context.Context, c *client) error {
		o, err := b.order()
		if err != nil {
			return err
		}
		return api.book(ctx, c, o)
	}
}

func bookingScenario() *scenario {
	return &scenario{
		name: "booking", what: "whole booking of 2 seats (lock, pay, confirm), 32 clients",
		against: "bare net/http + pgx server", unit: "bookings/s", target: 0.50, requests: 3, sliced: true,
		prepare: func(ctx context.Context, in *instance) (service, yardstick measurement, err error) {
			users, err := in.addUsers(ctx, bookingUsers)
			if err != nil {
				return nil, nil, err
			}
			ours, err := in.addBuyers(ctx, users, bookingShows)
			if err != nil {
				return nil, nil, err
			}
			theirs, err := in.addBuyers(ctx, users, bookingShows)
			if err != nil {
				return nil, nil, err
			}
			bare, err := in.startYardstick(ctx, "/ready", "-serve-bare")
			if err != nil {
				return nil, nil, err
			}
			return measured(in.process, ours.book(eventlyAPI)), measured(bare, theirs.book(bareAPI)), nil
		},
	}
}

// measured returns the measurement of op on a server with the usual number of clients.
func measured(p *process, op operation) measurement {
	return func(ctx context.Context, duration time.Duration) (*load, error) {
		return drive(ctx, p.addr, clients, duration, op), nil
	}
}

const (
	fighters    = 64
	foughtSeats = 50
	seatsEach   = 5 // held by one user
)

func fightScenario() *scenario {
	return &scenario{
		name: "fight", what: "64 clients lock seats that others hold (409)",
		against: "GET /health/live of the service", unit: "requests/s", target: 0.30, requests: 1, sliced: true,
		prepare: func(ctx context.Context, in *instance) (service, yardstick measurement, err error) {
			h, err := in.addHall(ctx, foughtSeats, 1)
			if err != nil {
				return nil, nil, err
			}
			users, err := in.addUsers(ctx, bookingUsers+foughtSeats/seatsEach)
			if err != nil {
				return nil, nil, err
			}
			losers, holders := users[:bookingUsers], users[bookingUsers:]
			if err := in.holdAll(ctx, h, holders); err != nil {
				return nil, nil, err
			}
			var attempts atomic.Int64
			lose := func(ctx context.Context, c *client) error {
				n := attempts.Add(1)
				seat := h.firstSeat + n%(foughtSeats-1)
				_, err := c.expect(ctx, lockRequest(losers[n%bookingUsers], h.firstShow, seat, seat+1), http.StatusConflict)
				return err
			}
			live := expectOK(get("/health/live", ""))
			return func(ctx context.Context, d time.Duration) (*load, error) {
					return drive(ctx, in.addr, fighters, d, lose), nil
				}, func(ctx context.Context, d time.Duration) (*load, error) {
					return drive(ctx, in.addr, fighters, d, live), nil
				}, nil
		},
	}
}

// holdAll holds every seat of the first show, some for each holder.
func (in *instance) holdAll(ctx context.Context, h *hall, holders []user) error {
	c := newClient(in.addr, 0)
	defer c.close()
	for i, u := range holders {
		var seats []int64
		for n := range int64(seatsEach) {
			seats = append(seats, h.firstSeat+int64(i*seatsEach)+n)
		}
		if _, err := c.expect(ctx, lockRequest(u, h.firstShow, seats...), http.StatusOK); err != nil {
			return err
		}
	}
	return nil
}
