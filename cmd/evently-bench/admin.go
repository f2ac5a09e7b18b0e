package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"evently/internal/domain"
)

// adminToken returns an access token of the administrator in ADMIN_EMAIL.
func (in *instance) adminToken(ctx context.Context) (string, error) {
	var id int64
	if err := in.pool.QueryRow(ctx, `SELECT user_id FROM users WHERE role = 'admin'`).Scan(&id); err != nil {
		return "", err
	}
	return in.stack.token(id, domain.RoleAdmin)
}

const createdSeats = 20_000

func createShowScenario(b *bench) *scenario {
	s := &scenario{name: "create-show", what: "create a show of 20,000 seats"}
	s.whole = func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, nil, func(in *instance) error {
			h, err := in.addHall(ctx, createdSeats, 0)
			if err != nil {
				return err
			}
			token, err := in.adminToken(ctx)
			if err != nil {
				return err
			}
			var ours, theirs []time.Duration
			var ratios []float64
			for i := range 3 * b.rounds {
				start := time.Date(2090, 1, 1+i, 20, 0, 0, 0, time.UTC)
				took, err := in.createShow(ctx, h, token, start)
				if err != nil {
					return err
				}
				bare, err := in.psqlInsert(ctx, h, start.Add(2*time.Hour))
				if err != nil {
					return err
				}
				ours, theirs, ratios = append(ours, took), append(theirs, bare), append(ratios, float64(took)/float64(bare))
			}
			results = []result{{
				what: s.what, value: short(median(ours)), yardstick: "INSERT … SELECT of the seats in psql: " + short(median(theirs)),
				ratio: median(ratios), target: 1.5, atMost: true,
				p50: median(ours), peak: in.memory("VmHWM"),
			}}
			return nil
		})
		return results, err
	}
	return s
}

// createShow creates a show of an hour and returns how long the request took.
func (in *instance) createShow(ctx context.Context, h *hall, token string, start time.Time) (time.Duration, error) {
	c := newClient(in.addr, 0)
	defer c.close()
	req := post("/api/v1/admin/shows", token, fmt.Sprintf(`{"event_id":%d,"venue_id":%d,"start_time":%q,"end_time":%q,"price":%d}`,
		h.event, h.venue, start.Format(time.RFC3339), start.Add(time.Hour).Format(time.RFC3339), seatPrice))
	began := time.Now()
	_, err := c.expect(ctx, req, http.StatusCreated)
	return time.Since(began), err
}

const (
	historyLength  = 1_000_000
	analyticsBound = 100 * time.Millisecond
	analysts       = 8
)

func analyticsScenario(b *bench) *scenario {
	s := &scenario{name: "analytics", what: "GET /admin/analytics over 1,000,000 bookings, 8 clients, p95"}
	s.whole = func(ctx context.Context) (results []result, err error) {
		err = b.with(ctx, nil, func(in *instance) error {
			if _, err := in.addUsers(ctx, 1); err != nil {
				return err
			}
			if err := in.addHistory(ctx, b.scaled(historyLength)); err != nil {
				return err
			}
			token, err := in.adminToken(ctx)
			if err != nil {
				return err
			}
			read := expectOK(get("/api/v1/admin/analytics?days=30", token))
			if err := b.firstResponse(ctx, in, read); err != nil {
				return err
			}
			var p50, p95, p99 []time.Duration
			for range b.rounds {
				l := drive(ctx, in.addr, analysts, b.duration, read)
				if err := l.check(); err != nil {
					return err
				}
				p50 = append(p50, percentile(l.latencies, 0.50))
				p95 = append(p95, percentile(l.latencies, 0.95))
				p99 = append(p99, percentile(l.latencies, 0.99))
			}
			r := within(s.what, median(p95), analyticsBound, short)
			r.p50, r.p95, r.p99, r.peak = median(p50), median(p95), median(p99), in.memory("VmHWM")
			results = []result{r}
			return nil
		})
		return results, err
	}
	return s
}

func (b *bench) firstResponse(ctx context.Context, in *instance, op operation) error {
	c := newClient(in.addr, 0)
	defer c.close()
	start := time.Now()
	err := op(ctx, c)
	b.say("  first response after %s", short(time.Since(start)))
	return err
}
