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

	"evently/internal/testkit"
)

const (
	// outage is how long a store is away, and recovery how long the service may need to use it as before.
	outage   = 8 * time.Second
	recovery = 4 * time.Second
)

// sample is one response.
type sample struct {
	took       time.Duration
	status     int // 0: none
	retryAfter string
}

// samples are the responses of a phase.
type samples struct {
	mu   sync.Mutex
	list []sample
}

func (s *samples) add(one sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, one)
}

// take removes the samples and returns them by status.
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

// phase is a state of the stores and what /health says then.
type phase struct {
	name, health string
	begin, end   func() error
}

// TestDegrading_StoreOutagesAreAnswered takes the stores of one instance with default timeouts away from
// fifty clients and logs how long they wait for which response.
func TestDegrading_StoreOutagesAreAnswered(t *testing.T) {
	c := newCluster(t, builtOrFail(t), 1, "DATABASE_QUERY_TIMEOUT=", "DATABASE_MAX_CONNS=", "HTTP_READ_TIMEOUT=", "HTTP_WRITE_TIMEOUT=",
		"PAYMENT_TIMEOUT=", "PAYMENT_DELAY=0s", "PAYMENT_SUCCESS_RATE=1")
	responses := &samples{}
	c.bookAllTheTime(t, responses)
	nothing := func() error { return nil }
	database := c.all[0].database
	for _, p := range []phase{
		{"all is well", "OK", nothing, nothing},
		{"Redis is killed", "DEGRADED", func() error { return c.redis.crash(t.Context()) }, func() error { return c.redis.restart(t.Context()) }},
		{"Redis is silent", "DEGRADED", c.redis.pause, c.redis.resume},
		{"PostgreSQL is killed", "DOWN", func() error { return c.postgres.crash(t.Context()) }, func() error { return c.postgres.restart(t.Context()) }},
		{"PostgreSQL is silent", "DOWN", func() error {
			_, err := database.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"silent","type":"timeout","stream":"downstream","attributes":{"timeout":0}}`))
			return err
		}, func() error {
			database.cut()
			database.open()
			return nil
		}},
	} {
		c.degrade(t, p, responses)
	}
}

// bookAllTheTime lets clients book on the first instance until the test ends.
func (c *cluster) bookAllTheTime(t *testing.T, responses *samples) {
	t.Helper()
	id := testkit.NewShow(t, c.pool, testkit.Show{VenueID: testkit.NewVenue(t, c.pool, clients/seatsOfRow, seatsOfRow*2)})
	seats := testkit.SeatIDs(t, c.pool, id)
	ctx, stop := context.WithCancel(t.Context())
	var booking sync.WaitGroup
	t.Cleanup(booking.Wait)
	t.Cleanup(stop)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	t.Cleanup(transport.CloseIdleConnections)
	for n := range clients {
		b := booker{
			client: &http.Client{Transport: transport, Timeout: time.Minute}, base: "http://127.0.0.1:" + c.all[0].port,
			bearer: token(t, testkit.NewUser(t, c.pool), 0), responses: responses,
		}
		booking.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				b.book(id, seats[2*n+k%2])
				pause(ctx, 50*time.Millisecond)
			}
		})
	}
}

// degrade runs one phase and the recovery after it.
func (c *cluster) degrade(t *testing.T, p phase, responses *samples) {
	t.Helper()
	responses.take()
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), outage)
	health := c.health(t)
	during := responses.take()
	if health != p.health {
		t.Errorf("%s: health is %s, want %s", p.name, health, p.health)
	}
	logSamples(t, p.name, during)
	if down := p.health == "DOWN"; down != (len(during[http.StatusServiceUnavailable]) > 100) || !down && len(during[http.StatusOK]) < 100 {
		t.Errorf("%s: %d responses 200 and %d responses 503", p.name, len(during[http.StatusOK]), len(during[http.StatusServiceUnavailable]))
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	pause(t.Context(), recovery)
	if after := responses.take(); len(after[0])+len(after[http.StatusInternalServerError]) > 0 {
		t.Errorf("after %s: %v", p.name, after)
	}
	pause(t.Context(), recovery)
	if health := c.health(t); health != "OK" {
		t.Errorf("after %s: health is %s", p.name, health)
	}
	logSamples(t, "then", responses.take())
}

// logSamples logs how long responses took. It fails for no response, for 500 and for 503 without
// Retry-After.
func logSamples(t *testing.T, name string, by map[int][]sample) {
	t.Helper()
	for status, list := range by {
		slices.SortFunc(list, func(a, b sample) int { return int(a.took - b.took) })
		at := func(share int) time.Duration { return list[(len(list)-1)*share/100].took.Round(time.Millisecond) }
		t.Logf("%s: %d responses %d: p50 %s, p99 %s, max %s", name, len(list), status, at(50), at(99), at(100))
		if status == 0 || status == http.StatusInternalServerError {
			t.Errorf("%s: %d responses %d", name, len(list), status)
		}
		if status == http.StatusServiceUnavailable && slices.ContainsFunc(list, func(s sample) bool { return s.retryAfter == "" }) {
			t.Errorf("%s: 503 without Retry-After", name)
		}
	}
}

// health returns the status that the first instance reports.
func (c *cluster) health(t *testing.T) string {
	t.Helper()
	resp, err := http.Get("http://127.0.0.1:" + c.all[0].port + "/health")
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

// booker is a client that books and retries nothing.
type booker struct {
	client       *http.Client
	base, bearer string
	responses    *samples
}

// book locks a seat, pays, confirms and cancels until a step fails.
func (b booker) book(show, seat int64) {
	held, ok := b.post("lock", fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, show, seat))
	if !ok {
		return
	}
	id := fmt.Sprintf("%.0f", held["booking_id"])
	for _, step := range [][2]string{{"payments/simulate", fmt.Sprintf(`{"booking_id":%s,"amount":%v}`, id, held["amount"])}, {id + "/confirm", ""}, {id + "/cancel", ""}} {
		if _, ok := b.post(step[0], step[1]); !ok {
			return
		}
	}
}

func (b booker) post(path, body string) (response map[string]any, ok bool) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, b.base+"/api/v1/bookings/"+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+b.bearer)
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := b.client.Do(req)
	if err != nil {
		b.responses.add(sample{took: time.Since(began)})
		return nil, false
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	b.responses.add(sample{time.Since(began), resp.StatusCode, resp.Header.Get("Retry-After")})
	return response, err == nil && json.Unmarshal(raw, &response) == nil && resp.StatusCode == http.StatusOK
}
