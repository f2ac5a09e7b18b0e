package chaos_test

import (
	"context"
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

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/testkit"
)

// probeEvery is how often the proxy asks an instance whether it is ready: well below DRAIN_DELAY.
const probeEvery = 50 * time.Millisecond

// TestRollingRestart replaces both of two instances under load. The proxy in front goes by
// /health/ready and retries nothing; nobody is told anything but what a ticket shop would tell.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	h := openHouse(t, 2)
	pool, err := pgxpool.New(t.Context(), h.stack.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	id := testkit.NewShow(t, pool, testkit.Show{})
	seats := testkit.SeatIDs(t, pool, id)

	ctx, stop := context.WithCancel(t.Context())
	var others sync.WaitGroup
	t.Cleanup(others.Wait)
	t.Cleanup(stop)
	ready := make([]atomic.Bool, len(h.all))
	for n, i := range h.all {
		ready[n].Store(true)
		others.Go(func() {
			for ctx.Err() == nil {
				ready[n].Store(i.isReady())
				pause(ctx, probeEvery)
			}
		})
	}
	front := httptest.NewServer(h.proxy(func() *instance {
		for range h.all {
			if n := int(h.next.Add(1)) % len(h.all); ready[n].Load() {
				return h.all[n]
			}
		}
		return h.all[0]
	}))
	t.Cleanup(front.Close)

	var sent, wrong atomic.Int64
	transport := &http.Transport{MaxIdleConnsPerHost: 20}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: requestLimit}
	loadCtx, stopLoad := context.WithCancel(ctx)
	var load sync.WaitGroup
	for n := range 8 {
		bearer := token(t, testkit.NewUser(t, pool), n)
		load.Go(func() {
			for loadCtx.Err() == nil {
				status, text := post(client, front.URL+"/api/v1/bookings/lock", bearer,
					fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, id, seats[n]))
				sent.Add(1)
				// 409: the hold of the round before.
				if status != http.StatusOK && status != http.StatusConflict {
					wrong.Add(1)
					t.Errorf("answered %d %s", status, text)
				}
				pause(loadCtx, 5*time.Millisecond)
			}
		})
	}
	for n, i := range h.all {
		i.signal(syscall.SIGTERM)
		<-i.ended
		if !i.cmd.ProcessState.Success() {
			t.Errorf("instance %d ended with %s:\n%s", n, i.cmd.ProcessState, i.log())
		}
		i.start()
		i.awaitReady()
		// The next one may go when the proxy has seen this one come back.
		for deadline := time.Now().Add(time.Minute); !ready[n].Load() && time.Now().Before(deadline); {
			pause(ctx, probeEvery)
		}
	}
	stopLoad()
	load.Wait()
	t.Logf("%d requests, %d failed", sent.Load(), wrong.Load())
	if sent.Load() < 100 {
		t.Errorf("only %d requests: that is no load", sent.Load())
	}
}

// post sends a request once and gives what is answered, 0 if nothing.
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
