package app_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/robfig/cron/v3"

	"evently/internal/schedule"
	"evently/internal/testkit"
)

func (c customer) keys(t testing.TB) (all, answered int) {
	t.Helper()
	return testkit.Value[int](t, c.pool, `SELECT count(*) FROM idempotency_keys`),
		testkit.Value[int](t, c.pool, `SELECT count(response_status) FROM idempotency_keys`)
}

func TestIdempotency_KeyIsFreeAfterTheClientLeft(t *testing.T) {
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
	unlock()
	c.untilUnlocked(t) // the first transaction is rolled back
	c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	c.post(t, "lock", "k", fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, c.show, c.seats[0])).want(t, http.StatusOK, "")
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings`); n != 1 {
		t.Errorf("%d bookings", n)
	}
}

func TestIdempotency_ResponseIsStoredForADay(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	age := func(interval string) {
		testkit.Exec(t, c.pool, `UPDATE idempotency_keys SET created_at = now() - $1::text::interval`, interval)
	}
	first := c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	age("23 hours 59 minutes")
	same(t, first, c.post(t, "lock", "k", c.lockBody(c.seats[0])))
	if n, err := c.Services().Bookings.PurgeKeys(t.Context()); n != 0 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	age("24 hours")
	second := c.post(t, "lock", "k", c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
	same(t, second, c.post(t, "lock", "k", c.lockBody(c.seats[1])))
	age("24 hours")
	if n, err := c.Services().Bookings.PurgeKeys(t.Context()); n != 1 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	if all, _ := c.keys(t); all != 0 {
		t.Errorf("%d keys", all)
	}
}

func TestSchedule_PurgesOldKeys(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	c.post(t, "lock", "new", c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
	testkit.Exec(t, c.pool, `UPDATE idempotency_keys SET created_at = now() - interval '24 hours' WHERE idempotency_key = 'k'`)
	at := slices.IndexFunc(c.Jobs(), func(job schedule.Entry) bool { return job.Name == "idempotency-purge" })
	if at < 0 {
		t.Fatal("no such job")
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

func TestPurgeKeys_RunsBatchByBatch(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	testkit.Exec(t, c.pool, `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, response_status, response_body, created_at)
		SELECT (SELECT min(user_id) FROM users), 'POST /', n::text, '', 200, '', now() - interval '25 hours'
		FROM generate_series(1, 2500) n`)
	if n, err := c.Services().Bookings.PurgeKeys(t.Context()); n != 2500 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
}

func TestIdempotency_KeyHasBounds(t *testing.T) {
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
		"blank":         {[]string{"  "}, false}, // leading and trailing spaces are not part of a header's value
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

func TestIdempotency_RepeatIsReplayedWithoutRedis(t *testing.T) {
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

func TestIdempotency_UserWithTooManyKeysIsRefused(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	first := c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	testkit.Exec(t, c.pool, `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, response_status, response_body)
		SELECT $1, 'POST /', n::text, '', 200, ''
		FROM generate_series(1, 19999) n`, c.user)
	refused := c.post(t, "lock", "new", c.lockBody(c.seats[1])).want(t, http.StatusTooManyRequests, "too_many_idempotency_keys")
	if refused.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	same(t, first, c.post(t, "lock", "k", c.lockBody(c.seats[0])))
	c.customer(t).post(t, "lock", "new", c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
}

// Redis would refuse the repeat, because another user has locked the seats.
func TestIdempotency_RepeatIsReplayedWhenTheSeatsAreTaken(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	first := c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	c.post(t, bookingPath(bookingOf(first), "cancel"), "", nil).want(t, http.StatusOK, "")
	c.customer(t).hold(t, c.seats[0])
	same(t, first, c.post(t, "lock", "k", c.lockBody(c.seats[0])))
	c.post(t, "lock", "k", c.lockBody(c.seats[1])).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
}
