package main

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
)

// Bookings of two seats, one show behind the other: everybody wants the same show, as on the
// day when its sale begins.
const (
	bookingUsers    = 10_000
	bookingShows    = 120
	bookingSeats    = 2_000
	bookingsAShow   = bookingSeats / 2
	bookingsOfAUser = 5 // in one show: the limit is ten seats
)

// buyers book the seats of a hall, each pair once, whoever comes first.
type buyers struct {
	hall   *hall
	tokens []string
	next   atomic.Int64
}

func (in *instance) addBuyers(ctx context.Context, shows int) (*buyers, error) {
	h, err := in.addHall(ctx, bookingSeats, shows)
	if err != nil {
		return nil, err
	}
	tokens, err := in.addUsers(ctx, bookingUsers)
	return &buyers{hall: h, tokens: tokens}, err
}

// lock gives the request that locks the next two seats, and the token of who does.
func (b *buyers) lock() (token string, req []byte, err error) {
	n := b.next.Add(1) - 1
	show := n / bookingsAShow
	if show >= int64(b.hall.shows) {
		return "", nil, fmt.Errorf("the seats of %d shows are sold out", b.hall.shows)
	}
	seat := b.hall.firstSeat + n%bookingsAShow*2
	token = b.tokens[n%int64(len(b.tokens))]
	return token, post("/api/v1/bookings/lock", token,
		fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d,%d]}`, b.hall.firstShow+show, seat, seat+1)), nil
}

// hold locks two seats and gives the booking.
func (b *buyers) hold(ctx context.Context, c *client) (token string, booking int64, err error) {
	token, req, err := b.lock()
	if err != nil {
		return "", 0, err
	}
	status, body, err := c.do(ctx, req)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("lock: status %d: %.200s", status, body)
	}
	return token, number(body, "booking_id"), err
}

// book locks, pays and confirms.
func (b *buyers) book(ctx context.Context, c *client) error {
	token, booking, err := b.hold(ctx, c)
	if err != nil {
		return err
	}
	pay := post("/api/v1/bookings/payments/simulate", token,
		fmt.Sprintf(`{"booking_id":%d,"amount":900,"outcome":"success"}`, booking))
	if err := fixed(pay, http.StatusOK)(ctx, c); err != nil {
		return err
	}
	return fixed(post(fmt.Sprintf("/api/v1/bookings/%d/confirm", booking), token, "{}"), http.StatusOK)(ctx, c)
}

// bookingScript is the same three transactions as one would write them in SQL: look and lock,
// decide, write. :base is where the seats of this run begin.
const bookingScript = `
\set i :base + :n * 32 + :client_id
\set n :n + 1
\set show :first_show + :i / 1000
\set seat :first_seat + (:i % 1000) * 2
\set user 2 + :i % 10000
BEGIN;
SELECT price FROM shows WHERE show_id = :show AND deleted_at IS NULL AND start_time > now() FOR KEY SHARE;
SELECT seat_id, status FROM show_seats WHERE show_id = :show AND seat_id IN (:seat, :seat + 1) ORDER BY seat_id FOR UPDATE;
INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at) VALUES (:user, :show, 2, 900, 'pgbench', now() + interval '10 minutes') RETURNING booking_id \gset
INSERT INTO booking_seats (booking_id, seat_id, price) VALUES (:booking_id, :seat, 450), (:booking_id, :seat + 1, 450);
UPDATE show_seats SET status = 'LOCKED', booking_id = :booking_id, locked_at = now() WHERE show_id = :show AND seat_id IN (:seat, :seat + 1);
COMMIT;
BEGIN;
SELECT status, amount, expires_at FROM bookings WHERE booking_id = :booking_id AND user_id = :user FOR UPDATE;
INSERT INTO payments (booking_id, transaction_id, amount, status) VALUES (:booking_id, 'pgbench-' || :booking_id, 900, 'succeeded');
COMMIT;
BEGIN;
SELECT status, expires_at, EXISTS (SELECT FROM payments WHERE payments.booking_id = bookings.booking_id AND payments.status = 'succeeded') AS paid FROM bookings WHERE booking_id = :booking_id AND user_id = :user FOR UPDATE;
SELECT seat_id FROM show_seats WHERE show_id = :show AND seat_id IN (:seat, :seat + 1) ORDER BY seat_id FOR UPDATE;
UPDATE bookings SET status = 'CONFIRMED', confirmed_at = now() WHERE booking_id = :booking_id;
UPDATE show_seats SET status = 'BOOKED' WHERE show_id = :show AND seat_id IN (:seat, :seat + 1);
COMMIT;
`

func scenarioBooking(b *bench) *scenario {
	var buyers *buyers
	var sold *hall
	return &scenario{
		name: "booking", what: "whole booking of 2 seats (lock, pay, confirm), 32 clients",
		against: "pgbench, the same three transactions", unit: "bookings/s", target: 0.60, requests: 3,
		prepare: func(ctx context.Context, in *instance) (err error) {
			if buyers, err = in.addBuyers(ctx, bookingShows); err != nil {
				return err
			}
			sold, err = in.addHall(ctx, bookingSeats, bookingShows)
			return err
		},
		measure: func(ctx context.Context, in *instance) (*load, error) {
			return drive(ctx, in.addr, clients, b.lasting, 0, func(int) operation { return buyers.book }), nil
		},
		yardstick: func(ctx context.Context, in *instance, round int) (float64, error) {
			// Each round has its third of the shows.
			base := round * bookingShows / b.rounds * bookingsAShow
			return in.pgbench(ctx, int(b.lasting.Seconds()), bookingScript, "n=0",
				fmt.Sprintf("base=%d", base),
				fmt.Sprintf("first_show=%d", sold.firstShow), fmt.Sprintf("first_seat=%d", sold.firstSeat))
		},
	}
}

const (
	fighters  = 64
	foughtFor = 50 // seats
)

func scenarioFight(b *bench) *scenario {
	var tokens []string
	var h *hall
	return &scenario{
		name: "fight", what: "64 clients fighting over 50 held seats (409)",
		against: "GET /health/live on the same server", unit: "requests/s", target: 0.40, requests: 1, sliced: true,
		prepare: func(ctx context.Context, in *instance) (err error) {
			if h, err = in.addHall(ctx, foughtFor, 1); err != nil {
				return err
			}
			if tokens, err = in.addUsers(ctx, fighters+foughtFor/bookingsOfAUser); err != nil {
				return err
			}
			c := &client{addr: in.addr}
			defer c.close()
			for i := range int64(foughtFor) {
				req := post("/api/v1/bookings/lock", tokens[fighters+i/bookingsOfAUser], fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, h.firstShow, h.firstSeat+i))
				if err := fixed(req, http.StatusOK)(ctx, c); err != nil {
					return err
				}
			}
			return nil
		},
		measure: func(ctx context.Context, in *instance) (*load, error) {
			return drive(ctx, in.addr, fighters, b.lasting, 0, func(i int) operation {
				at := i
				var wishes []operation // written once: what the generator takes is missing to the service
				for first := h.firstSeat; first < h.firstSeat+foughtFor-1; first++ {
					wishes = append(wishes, fixed(post("/api/v1/bookings/lock", tokens[i],
						fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d,%d]}`, h.firstShow, first, first+1)), http.StatusConflict))
				}
				return func(ctx context.Context, c *client) error {
					at++
					return wishes[at%len(wishes)](ctx, c)
				}
			}), nil
		},
		yardstick: func(ctx context.Context, in *instance, _ int) (float64, error) {
			l := drive(ctx, in.addr, fighters, b.lasting, 0, func(int) operation {
				return fixed(get("/health/live", ""), http.StatusOK)
			})
			return l.rate(), l.check()
		},
	}
}
