package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"evently/internal/domain"
)

// adminToken gives a token of the administrator that the service has made.
func (in *instance) adminToken(ctx context.Context) (string, error) {
	var id int64
	if err := in.pool.QueryRow(ctx, `SELECT user_id FROM users WHERE role = 'admin'`).Scan(&id); err != nil {
		return "", err
	}
	return in.stack.token(id, domain.RoleAdmin)
}

const createdSeats = 20_000

func scenarioCreateShow(b *bench) *scenario {
	what := "create a show of 20,000 seats"
	return &scenario{name: "create-show", what: what, whole: func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, nil, func(in *instance) error {
			h, err := in.addHall(ctx, createdSeats, 0)
			if err != nil {
				return err
			}
			token, err := in.adminToken(ctx)
			if err != nil {
				return err
			}
			c := &client{addr: in.addr}
			defer c.close()
			var ours, theirs []time.Duration
			var ratios []float64
			for i := range 3 * b.rounds {
				start := time.Date(2090, 1, 1+i, 20, 0, 0, 0, time.UTC)
				req := post("/api/v1/admin/shows", token, fmt.Sprintf(`{"event_id":%d,"venue_id":%d,"start_time":%q,"end_time":%q,"price":450}`,
					h.event, h.venue, start.Format(time.RFC3339), start.Add(time.Hour).Format(time.RFC3339)))
				began := time.Now()
				if err := fixed(req, http.StatusCreated)(ctx, c); err != nil {
					return err
				}
				took := time.Since(began)
				bare, err := in.psqlInsert(ctx, h, start.Add(2*time.Hour))
				if err != nil {
					return err
				}
				ours, theirs, ratios = append(ours, took), append(theirs, bare), append(ratios, float64(took)/float64(bare))
			}
			results = []result{{
				what: what, against: "the bare INSERT … SELECT in psql", target: 1.5, atMost: true,
				value: round(median(ours)), measured: round(median(theirs)), ratio: median(ratios),
				p50: median(ours), peak: in.memory("VmHWM"), bound: memoryBound,
			}}
			return nil
		})
		return results, err
	}}
}

// psqlInsert makes a show in psql and gives the time of its seats' INSERT alone.
func (in *instance) psqlInsert(ctx context.Context, h *hall, start time.Time) (time.Duration, error) {
	psql, err := program(ctx, "psql")
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", in.databaseURL) //nolint:gosec // a found program
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`
		INSERT INTO shows (event_id, venue_id, start_time, end_time, price, total_seats)
		VALUES (%d, %d, '%s', '%s', 450, %d) RETURNING show_id \gset
		\timing on
		INSERT INTO show_seats (show_id, seat_id) SELECT :show_id, seat_id FROM seats WHERE venue_id = %d;
		`, h.event, h.venue, start.Format(time.RFC3339), start.Add(time.Hour).Format(time.RFC3339), h.seats, h.venue))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, errors.Join(err, errors.New(string(out)))
	}
	_, rest, _ := strings.Cut(string(out), "Time: ")
	value, _, _ := strings.Cut(rest, " ")
	ms, err := strconv.ParseFloat(value, 64)
	return time.Duration(ms * float64(time.Millisecond)), err
}

const historyLength = 1_000_000

func scenarioAnalytics(b *bench) *scenario {
	what := "GET /admin/analytics over 1,000,000 bookings, 8 clients"
	return &scenario{name: "analytics", what: what, whole: func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, nil, func(in *instance) error {
			if _, err := in.addUsers(ctx, 1); err != nil {
				return err
			}
			if err := in.addHistory(ctx, historyLength); err != nil {
				return err
			}
			token, err := in.adminToken(ctx)
			if err != nil {
				return err
			}
			req := get("/api/v1/admin/analytics?days=30", token)
			c := &client{addr: in.addr}
			defer c.close()
			cold := time.Now()
			if err := fixed(req, http.StatusOK)(ctx, c); err != nil {
				return err
			}
			b.say("  cold: %s", round(time.Since(cold)))
			var p50, p95, p99 []time.Duration
			for range b.rounds {
				l := drive(ctx, in.addr, 8, b.lasting, 0, func(int) operation { return fixed(req, http.StatusOK) })
				if err := l.check(); err != nil {
					return err
				}
				p50, p95, p99 = append(p50, l.percentile(0.50)), append(p95, l.percentile(0.95)), append(p99, l.percentile(0.99))
			}
			b.say("  warm: p95 %s", round(median(p95)))
			const bound = 100 * time.Millisecond
			results = []result{{
				what: what, against: "p95 of 100 ms", target: 1, atMost: true,
				value: "p95 " + round(median(p95)), measured: round(bound), ratio: float64(median(p95)) / float64(bound),
				p50: median(p50), p95: median(p95), p99: median(p99), peak: in.memory("VmHWM"), bound: memoryBound,
			}}
			return nil
		})
		return results, err
	}}
}

const hammerers = 50

// scenarioLogin compares bookings beside a flood of logins with bookings alone.
func scenarioLogin(b *bench) *scenario {
	var buyers *buyers
	login := post("/api/v1/auth/login", "", fmt.Sprintf(`{"email":%q,"password":%q}`, adminEmail, adminPassword))
	return &scenario{
		name: "login", what: "whole bookings, 32 clients, while 50 hammer login",
		against: "the same without them", unit: "bookings/s", target: 0.5, requests: 3,
		prepare: func(ctx context.Context, in *instance) (err error) {
			buyers, err = in.addBuyers(ctx, 2*bookingShows)
			return err
		},
		measure: func(ctx context.Context, in *instance) (*load, error) {
			stop, cancel := context.WithCancel(ctx)
			flood := make(chan *load, 1)
			go func() {
				flood <- drive(stop, in.addr, hammerers, time.Hour, 0, func(int) operation {
					return func(ctx context.Context, c *client) error {
						status, body, err := c.do(ctx, login)
						if err == nil && status != http.StatusOK && status != http.StatusServiceUnavailable {
							err = fmt.Errorf("login: status %d: %.200s", status, body)
						}
						return err
					}
				})
			}()
			l := drive(ctx, in.addr, clients, b.lasting, 0, func(int) operation { return buyers.book })
			cancel()
			logins := <-flood
			b.say("  beside it: %.0f logins/s", logins.rate())
			return l, nil
		},
		yardstick: func(ctx context.Context, in *instance, _ int) (float64, error) {
			l := drive(ctx, in.addr, clients, b.lasting, 0, func(int) operation { return buyers.book })
			return l.rate(), l.check()
		},
	}
}

func round(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
