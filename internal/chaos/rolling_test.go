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

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/testkit"
)

// probeEvery is how often the proxy asks an instance whether it is ready: well below DRAIN_DELAY.
const probeEvery = 50 * time.Millisecond

// TestRollingRestart replaces both of two instances while people join, lock, pay, confirm and cancel.
// The proxy in front goes by /health/ready and retries nothing; no request fails.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	h := openHouse(t, builtOrFail(t), 2)
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
		// From one place on, once around: others move next meanwhile.
		first := int(h.next.Add(1))
		for step := range h.all {
			if n := (first + step) % len(h.all); ready[n].Load() {
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
		buy := func() {
			ask := func(path, body string) (status int, answer map[string]any) {
				status, text := post(client, front.URL+path, bearer, body)
				sent.Add(1)
				if status == 0 || status >= http.StatusInternalServerError {
					wrong.Add(1)
					t.Errorf("%s is answered %d %s", path, status, text)
				}
				_ = json.Unmarshal([]byte(text), &answer)
				return status, answer
			}
			ask(fmt.Sprintf("/api/v1/waiting-room/%d/join", id), "")
			status, held := ask("/api/v1/bookings/lock", fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, id, seats[n]))
			if status != http.StatusOK { // the hold of the round before
				return
			}
			booked, _ := held["booking_id"].(float64)
			of := fmt.Sprintf("/api/v1/bookings/%d/", int64(booked))
			ask("/api/v1/bookings/payments/simulate", fmt.Sprintf(`{"booking_id":%d,"amount":%v}`, int64(booked), held["amount"]))
			ask(of+"confirm", "")
			ask(of+"cancel", "")
		}
		load.Go(func() {
			for loadCtx.Err() == nil {
				buy()
				pause(loadCtx, 5*time.Millisecond)
			}
		})
	}
	for n, i := range h.all {
		i.signal(syscall.SIGTERM)
		<-i.ended
		if !i.cmd.ProcessState.Success() {
			t.Errorf("instance %d ended with %s:\n%s", n, i.cmd.ProcessState, tail(i.log()))
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
	if n := testkit.Value[int](t, pool, `SELECT count(*) FROM bookings WHERE confirmed_at IS NOT NULL`); n < 10 {
		t.Errorf("only %d bookings were confirmed", n)
	}
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
