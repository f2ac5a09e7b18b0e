//go:build proof

package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/testkit"
)

const (
	// away is how long a store is gone, and healing what it gets to be used again as before.
	away    = 8 * time.Second
	healing = 4 * time.Second
)

// sample is one answer.
type sample struct {
	took       time.Duration
	status     int // 0: none
	retryAfter string
}

// samples are the answers of a phase.
type samples struct {
	mu   sync.Mutex
	list []sample
}

func (s *samples) add(one sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, one)
}

// take gives what there is, and begins anew.
func (s *samples) take() map[int][]sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := map[int][]sample{}
	for _, one := range s.list {
		by[one.status] = append(by[one.status], one)
	}
	s.list = nil
	return by
}

// TestDegrading takes the stores of one instance, whose timeouts are those that it has by default, away from
// fifty people who book, and tells how long they wait for which answer. What it may not be, it
// fails on; how long is too long is for the reader.
func TestDegrading(t *testing.T) {
	h := openHouse(t, builtOrFail(t), 1, "DATABASE_QUERY_TIMEOUT=", "DATABASE_MAX_CONNS=", "HTTP_READ_TIMEOUT=", "HTTP_WRITE_TIMEOUT=",
		"PAYMENT_DELAY=0s", "PAYMENT_SUCCESS_RATE=1")
	pool, err := pgxpool.New(t.Context(), h.stack.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	id := testkit.NewShow(t, pool, testkit.Show{VenueID: testkit.NewVenue(t, pool, people/seatsOfRow, seatsOfRow*2)})
	seats := testkit.SeatIDs(t, pool, id)
	told := &samples{}
	ctx, stop := context.WithCancel(t.Context())
	var crowd sync.WaitGroup
	t.Cleanup(crowd.Wait)
	t.Cleanup(stop)
	transport := &http.Transport{MaxIdleConnsPerHost: people}
	t.Cleanup(transport.CloseIdleConnections)
	for n := range people {
		one := booker{client: &http.Client{Transport: transport, Timeout: time.Minute}, base: "http://127.0.0.1:" + h.all[0].port,
			bearer: token(t, testkit.NewUser(t, pool), 0), told: told}
		crowd.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				one.book(id, seats[2*n+k%2])
				pause(ctx, 50*time.Millisecond)
			}
		})
	}

	w := h.all[0].database
	for _, phase := range []struct {
		name, health string
		begin, end   func() error
	}{
		{"all is well", "OK", nothing, nothing},
		{"Redis is killed", "DEGRADED", func() error { return h.stack.CrashRedis(t.Context()) }, func() error { return h.stack.RestartRedis(t.Context()) }},
		{"Redis is silent", "DEGRADED", h.stack.PauseRedis, h.stack.ResumeRedis},
		{"PostgreSQL is killed", "DOWN", func() error { return h.stack.CrashPostgres(t.Context()) }, func() error { return h.stack.RestartPostgres(t.Context()) }},
		{"PostgreSQL is silent", "DOWN", func() error {
			_, err := w.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"silent","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`))
			return err
		}, func() error {
			w.cut()
			w.open()
			return nil
		}},
	} {
		told.take()
		if err := phase.begin(); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), away)
		health := h.health(t)
		answers := told.take()
		if health != phase.health {
			t.Errorf("%s: health is %s, want %s", phase.name, health, phase.health)
		}
		tell(t, phase.name, answers)
		if gone := phase.health == "DOWN"; gone != (len(answers[http.StatusServiceUnavailable]) > 100) || !gone && len(answers[http.StatusOK]) < 100 {
			t.Errorf("%s: that is not what was to happen", phase.name)
		}
		if err := phase.end(); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), healing)
		if after := told.take(); len(after[0])+len(after[http.StatusInternalServerError]) > 0 {
			t.Errorf("after %s: %v", phase.name, after)
		}
		pause(t.Context(), healing)
		if health := h.health(t); health != "OK" {
			t.Errorf("after %s: health is %s", phase.name, health)
		}
		tell(t, "then", told.take())
	}
}

func nothing() error { return nil }

// tell logs how long answers took, and fails on those that nobody may be given.
func tell(t *testing.T, name string, answers map[int][]sample) {
	t.Helper()
	for status, list := range answers {
		slices.SortFunc(list, func(a, b sample) int { return int(a.took - b.took) })
		at := func(share int) time.Duration { return list[(len(list)-1)*share/100].took.Round(time.Millisecond) }
		t.Logf("%s: %d answers %d: half within %s, 99 of 100 within %s, all within %s", name, len(list), status, at(50), at(99), at(100))
		if status == 0 || status == http.StatusInternalServerError {
			t.Errorf("%s: %d answers %d", name, len(list), status)
		}
		for _, one := range list {
			if status == http.StatusServiceUnavailable && one.retryAfter == "" {
				t.Errorf("%s: 503 without Retry-After", name)
				break
			}
		}
	}
}

// health gives what the first instance says of itself.
func (h *house) health(t *testing.T) string {
	t.Helper()
	resp, err := http.Get("http://127.0.0.1:" + h.all[0].port + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var body struct{ Status string }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Status
}

// booker is one of those who book.
type booker struct {
	client       *http.Client
	base, bearer string
	told         *samples
}

// book locks a seat, pays, confirms and cancels, as far as it gets.
func (b booker) book(show, seat int64) {
	held, ok := b.ask("/api/v1/bookings/lock", fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, show, seat))
	if !ok {
		return
	}
	id := fmt.Sprintf("%.0f", held["booking_id"])
	for _, step := range [][2]string{{"payments/simulate", fmt.Sprintf(`{"booking_id":%s,"amount":%v}`, id, held["amount"])}, {id + "/confirm", ""}, {id + "/cancel", ""}} {
		if _, ok := b.ask("/api/v1/bookings/"+step[0], step[1]); !ok {
			return
		}
	}
}

func (b booker) ask(path, body string) (answer map[string]any, ok bool) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.base+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.bearer)
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := b.client.Do(req)
	if err != nil {
		b.told.add(sample{took: time.Since(began)})
		return nil, false
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	b.told.add(sample{time.Since(began), resp.StatusCode, resp.Header.Get("Retry-After")})
	return answer, err == nil && json.Unmarshal(raw, &answer) == nil && resp.StatusCode == http.StatusOK
}
