package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/robfig/cron/v3"

	"evently/internal/domain"
	"evently/internal/schedule"
	"evently/internal/testkit"
)

// keys gives how many idempotency keys there are, and how many of them have an answer.
func (c customer) keys(t testing.TB) (all, answered int) {
	t.Helper()
	return testkit.Value[int](t, c.pool, `SELECT count(*) FROM idempotency_keys`),
		testkit.Value[int](t, c.pool, `SELECT count(response_status) FROM idempotency_keys`)
}

// The process dies after the commit and before a byte of the answer is out: the answer was
// committed with the work, and the repeat gets it.
func TestACrashAfterTheCommitLosesNoAnswer(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	body, err := json.Marshal(c.lockBody(c.seats[0]))
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the handler did not panic")
			}
		}()
		c.behindMiddleware(t, c.user, "/bookings/lock", "k", string(body), func(_ http.ResponseWriter, r *http.Request) {
			_, err := c.Services().Bookings.Lock(r.Context(), c.user, c.show, c.seats[:1], func(hold domain.Hold) (domain.StoredAnswer, bool) {
				return domain.StoredAnswer{Status: http.StatusOK, Body: fmt.Appendf(nil, `{"booking_id":%d}`, hold.ID)}, true
			})
			if err != nil {
				t.Error(err)
			}
			panic("the process is gone")
		})
	}()
	if all, answered := c.keys(t); all != 1 || answered != 1 {
		t.Fatalf("%d keys, %d answered", all, answered)
	}
	// The body stands for the real one, which the document would be held against.
	again := c.behindMiddleware(t, c.user, "/bookings/lock", "k", string(body), func(http.ResponseWriter, *http.Request) {
		t.Error("the work is done again")
	})
	booking := testkit.Value[int64](t, c.pool, `SELECT booking_id FROM bookings`)
	if want := fmt.Sprintf(`{"booking_id":%d}`, booking); again.Code != http.StatusOK || again.Body.String() != want {
		t.Errorf("the repeat is told %d %s, want %s", again.Code, again.Body, want)
	}
}

// The handler panics before any work was done: the key is free again.
func TestAPanicBeforeTheWorkFreesTheKey(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	user := testkit.NewUser(t, c.pool)
	func() {
		defer func() { _ = recover() }()
		c.behindMiddleware(t, user, "/bookings/lock", "k", "{}", func(http.ResponseWriter, *http.Request) { panic("early") })
	}()
	if all, _ := c.keys(t); all != 0 {
		t.Errorf("%d keys", all)
	}
}

// The client goes away while its work waits: the work is undone, and the key free for a repeat.
func TestAClientThatGoesAwayCanComeBack(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	unlock := c.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, c.seats[0])
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/api/v1/bookings/lock",
		strings.NewReader(fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, c.show, c.seats[0])))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", "k")
	gone := make(chan error, 1)
	go func() {
		resp, err := c.client.Do(req)
		if err == nil {
			err = resp.Body.Close()
		}
		gone <- err
	}()
	c.blocked(t, 1)
	leave()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	eventually(t, "the key is given back", func() bool {
		all, _ := c.keys(t)
		return all == 0
	})
	unlock()
	c.post(t, "lock", "k", fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, c.show, c.seats[0])).want(t, http.StatusOK, "")
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings`); n != 1 {
		t.Errorf("%d bookings", n)
	}
}

// A request is so slow that its claim runs out. Whoever repeats it takes the key over and does the
// work; the slow one finds its claim gone, and its own work is undone.
func TestASlowRequestLosesItsKeyAndItsWork(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	booking := c.hold(t, c.seats[0])
	c.pay(t, booking, 1)
	c.post(t, bookingPath(booking, "confirm"), "", nil).want(t, http.StatusOK, "")

	unlock := c.lockRow(t, `SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE`, booking)
	slow := c.inBackground(t, c.posting(bookingPath(booking, "cancel"), "k", nil))
	c.blocked(t, 1)
	testkit.Exec(t, c.pool, `UPDATE idempotency_keys SET claimed_until = now()`)
	// A claim that ran out is still that of its request.
	c.post(t, bookingPath(booking, "cancel"), "k", map[string]any{"booking_id": booking}).
		want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	quick := c.inBackground(t, c.posting(bookingPath(booking, "cancel"), "k", nil))
	c.blocked(t, 2)
	unlock()
	(<-slow).want(t, http.StatusConflict, "idempotency_in_progress")
	answer := (<-quick).want(t, http.StatusOK, "")
	if answer.body["refund"] == nil {
		t.Errorf("the slow one did the work: %s", answer.raw)
	}
	same(t, answer, c.post(t, bookingPath(booking, "cancel"), "k", nil))
	c.audit(t)
}

// An instance stands still while its request is with the payment provider, until its claim runs
// out and the hold, too. The repeat is told 410; the money that the first one has taken is not
// lost: it is on record, as refunded.
func TestAChargeIsOnRecordAlthoughItsClaimIsGone(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	booking := c.hold(t, c.seats[0])
	unlock := c.lockRow(t, `SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE`, booking)
	pay := payBody(booking, 450, "success")
	slow := c.inBackground(t, c.posting("payments/simulate", "k", pay))
	c.blocked(t, 1) // the charge is made, and about to be recorded
	testkit.Exec(t, c.pool, `UPDATE idempotency_keys SET claimed_until = now(), claim_token = 'of a repeat'`)
	unlock()
	(<-slow).want(t, http.StatusConflict, "idempotency_in_progress")
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM payments`); n != 1 {
		t.Errorf("%d payments on record, want that of the charge", n)
	}
	c.audit(t)
}

func TestAnAnswerIsKeptForADay(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	age := func(interval string) {
		testkit.Exec(t, c.pool, `UPDATE idempotency_keys SET created_at = now() - $1::text::interval`, interval)
	}
	first := c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	age("23 hours 59 minutes")
	same(t, first, c.post(t, "lock", "k", c.lockBody(c.seats[0])))
	if n, err := c.Services().Idempotency.Purge(t.Context()); n != 0 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	age("24 hours")
	// Whether or not the purge has run, the key is as good as new, for another request, too.
	second := c.post(t, "lock", "k", c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
	same(t, second, c.post(t, "lock", "k", c.lockBody(c.seats[1])))
	age("24 hours")
	if n, err := c.Services().Idempotency.Purge(t.Context()); n != 1 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if all, _ := c.keys(t); all != 0 {
		t.Errorf("%d keys", all)
	}
}

// The purge is one of the jobs that run by the clock, often enough for nothing to stay for long.
func TestTheCronPurgesOldKeys(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	c.post(t, "lock", "new", c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
	testkit.Exec(t, c.pool, `UPDATE idempotency_keys SET created_at = now() - interval '24 hours' WHERE idempotency_key = 'k'`)
	at := slices.IndexFunc(c.Jobs(), func(job schedule.Entry) bool { return job.Name == "idempotency-purge" })
	if at < 0 {
		t.Fatal("there is no such job")
	}
	job := c.Jobs()[at]
	times, err := cron.ParseStandard(job.Spec)
	if now := time.Now(); err != nil || times.Next(now).Sub(now) > time.Hour {
		t.Errorf("%q: %v", job.Spec, err)
	}
	if n, err := job.Run(t.Context()); n != 1 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if all, _ := c.keys(t); all != 1 {
		t.Errorf("%d keys, want the new one", all)
	}
}

// What a purge removes is bounded by the statement, not by the run.
func TestThePurgeGoesOnBatchByBatch(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	testkit.Exec(t, c.pool, `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, claim_token, claimed_until, created_at)
		SELECT (SELECT min(user_id) FROM users), 'POST /', n::text, '', '', now(), now() - interval '25 hours'
		FROM generate_series(1, 2500) n`)
	if n, err := c.Services().Idempotency.Purge(t.Context()); n != 2500 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
}

func TestKeysHaveBounds(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	for name, tt := range map[string]struct {
		keys []string
		good bool
	}{
		"one character": {[]string{"k"}, true},
		"the longest":   {[]string{strings.Repeat("k", 255)}, true},
		"all printable": {[]string{`!"#$%&'()*+,-./:;<=>?@[\]^_{|}~ x` + "`"}, true},
		"empty":         {[]string{""}, false},
		"blank":         {[]string{"  "}, false}, // surrounding space is no part of a header's value
		"too long":      {[]string{strings.Repeat("k", 256)}, false},
		"not ASCII":     {[]string{"ключ"}, false},
		"a tab":         {[]string{"a\tb"}, false},
		"two":           {[]string{"a", "b"}, false},
		"two, the same": {[]string{"a", "a"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/api/v1/bookings/1099511627776/confirm", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+c.token)
			req.Header["Idempotency-Key"] = tt.keys
			resp, err := c.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			want := http.StatusBadRequest
			if tt.good {
				want = http.StatusNotFound
			}
			if resp.StatusCode != want {
				t.Errorf("%d, want %d", resp.StatusCode, want)
			}
		})
	}
}

// The repeat needs nothing that the first one used: not the seat locks, and not a show to come.
func TestARepeatIsAnsweredWithoutRedis(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	first := c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	options, err := redis.ParseURL(c.cfg.Redis.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	if err := client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	testkit.Exec(t, c.pool, `UPDATE shows SET start_time = now() - interval '1 hour'`)
	same(t, first, c.post(t, "lock", "k", c.lockBody(c.seats[0])))
}
