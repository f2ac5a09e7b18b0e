//go:build long

package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"evently/internal/testkit"
)

// probeInterval is how often the proxy asks an instance whether it is ready: well below DRAIN_DELAY.
const probeInterval = 50 * time.Millisecond

// TestRollingRestart_NoRequestFails replaces both of two instances while clients join, lock, pay, confirm
// and cancel. The proxy in front follows /health/ready and retries nothing.
func TestRollingRestart_NoRequestFails(t *testing.T) {
	t.Parallel()
	// Long timeouts: an instance that is slow on a busy machine is no failure here.
	c := newCluster(t, builtOrFail(t), 2, "DATABASE_QUERY_TIMEOUT=10s", "DATABASE_ACQUIRE_TIMEOUT=10s", "REDIS_TIMEOUT=5s",
		"PAYMENT_TIMEOUT=10s", "HTTP_READ_TIMEOUT=10s", "HTTP_WRITE_TIMEOUT=30s")
	id := testkit.NewShow(t, c.pool, testkit.Show{})
	seats := testkit.SeatIDs(t, c.pool, id)
	ctx, stop := context.WithCancel(t.Context())
	ready := c.probe(ctx, t)
	t.Cleanup(stop)
	front := httptest.NewServer(c.proxy(func() *instance {
		first := int(c.next.Add(1))
		for step := range c.all {
			if n := (first + step) % len(c.all); ready[n].Load() {
				return c.all[n]
			}
		}
		return c.all[0]
	}))
	t.Cleanup(front.Close)

	transport := &http.Transport{MaxIdleConnsPerHost: 20}
	t.Cleanup(transport.CloseIdleConnections)
	buyers := &buyers{t: t, base: front.URL, http: &http.Client{Transport: transport, Timeout: time.Minute}}
	loadCtx, stopLoad := context.WithCancel(ctx)
	var load sync.WaitGroup
	for n := range 8 {
		bearer := token(t, testkit.NewUser(t, c.pool), n)
		load.Go(func() {
			for loadCtx.Err() == nil {
				buyers.buy(bearer, id, seats[n])
				pause(loadCtx, 5*time.Millisecond)
			}
		})
	}
	for n, i := range c.all {
		i.signal(syscall.SIGTERM)
		<-i.ended
		if !i.cmd.ProcessState.Success() {
			t.Errorf("instance %d ended with %s:\n%s", n, i.cmd.ProcessState, tail(i.log()))
		}
		i.start()
		i.awaitReady()
		// The next one may stop when the proxy uses this one again.
		for deadline := time.Now().Add(time.Minute); !ready[n].Load() && time.Now().Before(deadline); {
			pause(ctx, probeInterval)
		}
	}
	stopLoad()
	load.Wait()
	t.Logf("%d requests, %d failed", buyers.sent.Load(), buyers.failed.Load())
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings WHERE confirmed_at IS NOT NULL`); n < 10 {
		t.Errorf("%d bookings were confirmed, want at least 10", n)
	}
	if buyers.sent.Load() < 100 {
		t.Errorf("%d requests, want at least 100", buyers.sent.Load())
	}
}

// probe keeps asking the instances whether they are ready, until ctx ends.
func (c *cluster) probe(ctx context.Context, t *testing.T) []atomic.Bool {
	t.Helper()
	ready := make([]atomic.Bool, len(c.all))
	var probes sync.WaitGroup
	t.Cleanup(probes.Wait)
	for n, i := range c.all {
		ready[n].Store(true)
		probes.Go(func() {
			for ctx.Err() == nil {
				ready[n].Store(i.isReady())
				pause(ctx, probeInterval)
			}
		})
	}
	return ready
}

// buyers are clients for which every request has to be answered.
type buyers struct {
	t            *testing.T
	base         string
	http         *http.Client
	sent, failed atomic.Int64
}

// buy joins the waiting room, locks a seat, pays, confirms and cancels. A seat that is still held ends it.
func (b *buyers) buy(bearer string, show, seat int64) {
	b.post("waiting-room/"+fmt.Sprint(show)+"/join", bearer, "")
	status, held := b.post("bookings/lock", bearer, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, show, seat))
	if status != http.StatusOK {
		return
	}
	id, _ := held["booking_id"].(float64)
	booking := fmt.Sprintf("bookings/%d/", int64(id))
	b.post("bookings/payments/simulate", bearer, fmt.Sprintf(`{"booking_id":%d,"amount":%v}`, int64(id), held["amount"]))
	b.post(booking+"confirm", bearer, "")
	b.post(booking+"cancel", bearer, "")
}

func (b *buyers) post(path, bearer, body string) (status int, response map[string]any) {
	status, text := post(b.http, b.base+"/api/v1/"+path, bearer, body)
	b.sent.Add(1)
	if status == 0 || status >= http.StatusInternalServerError {
		b.failed.Add(1)
		b.t.Errorf("POST %s: %d %s", path, status, text)
	}
	_ = json.Unmarshal([]byte(text), &response)
	return status, response
}

// post sends a request once and returns its status, 0 if there was no response.
func post(client *http.Client, url, bearer, body string) (status int, text string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(raw)
}
