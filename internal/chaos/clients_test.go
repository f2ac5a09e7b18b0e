package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// counts is what the clients have seen, all together.
type counts struct {
	requests, operations, unknowns, unresolved, replays, internals, lost atomic.Int64
}

// client books for one user.
type client struct {
	number  int
	base    string
	http    *http.Client
	random  *rand.Rand
	history *history
	locks   *lockWatch
	counts  *counts
	log     func(format string, args ...any)
	shows   []show

	token  string
	serial int
	kept   []booking // CONFIRMED, to be cancelled later
}

type show struct {
	id    int64
	seats []int64
}

type booking struct {
	id, expiresAt int64
	amount        json.Number
	seats         []int64
}

// answer is what an operation was told in the end.
type answer struct {
	status   int // 0: nothing, however often it was asked
	code     string
	body     map[string]any
	from, to int64
	attempts int
}

const (
	// patience is how long a client goes on asking for one operation.
	patience = 20 * time.Second
	// keepers is how many of the clients keep a booking for a while.
	keepers = 10
)

// run books until ctx is done, and finishes what it has begun.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.book(ctx)
		pause(ctx, time.Duration(c.random.IntN(60))*time.Millisecond)
	}
}

// book takes some seats from lock to cancel, or stops somewhere on the way.
func (c *client) book(ctx context.Context) {
	s := c.shows[c.random.IntN(len(c.shows))]
	if c.random.IntN(15) == 0 {
		c.read(s)
		return
	}
	b, ok := c.lock(s)
	if !ok {
		return
	}
	switch c.random.IntN(10) {
	case 0: // gives up without a word
		return
	case 1:
		c.settle(b, opCancel)
		return
	case 2: // dawdles until the time is over, or nearly
		pause(ctx, holdFor-50*time.Millisecond+time.Duration(c.random.IntN(200))*time.Millisecond)
	}
	if !c.pay(b) || !c.settle(b, opConfirm) {
		return
	}
	c.kept = append(c.kept, b)
	if c.number >= keepers || len(c.kept) > 1 {
		oldest := c.kept[0]
		c.kept = c.kept[1:]
		c.settle(oldest, opCancel)
	}
}

func (c *client) lock(s show) (booking, bool) {
	seats := make([]int64, 0, 3)
	first, n := c.random.IntN(len(s.seats)), 1+c.random.IntN(3)
	for i := range n {
		seats = append(seats, s.seats[(first+i)%len(s.seats)])
	}
	c.random.Shuffle(n, func(i, j int) { seats[i], seats[j] = seats[j], seats[i] })
	a := c.do("POST", "/api/v1/bookings/lock", true, map[string]any{"show_id": s.id, "seat_ids": seats})
	switch a.status {
	case http.StatusOK:
		var b booking
		id, _ := a.body["booking_id"].(json.Number).Int64()
		expires, err := time.Parse(time.RFC3339Nano, fmt.Sprint(a.body["expires_at"]))
		if err != nil {
			c.log("expires_at: %v", err)
		}
		b.id, b.expiresAt, b.seats = id, expires.UnixNano(), seats
		b.amount, _ = a.body["amount"].(json.Number)
		if a.attempts == 1 {
			c.locks.ack(id)
		}
		c.record(a, opLock, told, b)
		return b, true
	case 0:
		c.record(a, opLock, unknown, booking{seats: seats})
	}
	return booking{}, false
}

func (c *client) pay(b booking) bool {
	a := c.do("POST", "/api/v1/bookings/payments/simulate", true, map[string]any{"booking_id": b.id, "amount": b.amount})
	switch a.status {
	case http.StatusOK:
		return true
	case http.StatusGone, http.StatusConflict:
		c.record(a, opConfirm, over, b)
	case http.StatusNotFound:
		c.lose(b, a)
	}
	return false
}

// settle confirms or cancels, and tells whether that was done.
func (c *client) settle(b booking, k kind) bool {
	a := c.do("POST", fmt.Sprintf("/api/v1/bookings/%d/%s", b.id, k), true, map[string]any{})
	switch a.status {
	case http.StatusOK:
		c.record(a, k, told, b)
		return true
	case http.StatusGone, http.StatusConflict:
		c.record(a, k, over, b)
	case http.StatusNotFound:
		c.lose(b, a)
	case 0:
		c.record(a, k, unknown, b)
	}
	return false
}

// lose notes a booking that was acknowledged and is not there.
func (c *client) lose(b booking, a answer) {
	c.counts.lost.Add(1)
	c.log("booking %d of client %d is gone: %d %s", b.id, c.number, a.status, a.code)
}

// read looks at the seats of a show.
func (c *client) read(s show) bool {
	a := c.do("GET", fmt.Sprintf("/api/v1/shows/%d/seats", s.id), false, nil)
	list, _ := a.body["seats"].([]any)
	calls := make([]call, 0, len(list))
	for _, one := range list {
		seat, _ := one.(map[string]any)
		number, _ := seat["seat_id"].(json.Number)
		id, err := number.Int64()
		if err != nil {
			c.log("seats: %v", err)
		}
		status, _ := seat["status"].(string)
		calls = append(calls, call{kind: opRead, seat: id, status: status, outcome: told, from: a.from, to: a.to})
	}
	c.history.add(calls...)
	return len(calls) == len(s.seats)
}

func (c *client) record(a answer, k kind, o outcome, b booking) {
	calls := make([]call, len(b.seats))
	for i, seat := range b.seats {
		calls[i] = call{kind: k, seat: seat, booking: b.id, outcome: o, from: a.from, to: a.to}
		if k == opLock {
			calls[i].expiresAt = b.expiresAt
		}
	}
	c.history.add(calls...)
}

// do asks until it is told something that is final, or has no patience left. With a key, the
// attempts are one operation, however many of them arrive.
func (c *client) do(method, path string, keyed bool, body any) answer {
	key := ""
	if keyed {
		c.serial++
		key = fmt.Sprintf("%d-%d", c.number, c.serial)
	}
	c.counts.operations.Add(1)
	a := answer{from: time.Now().UnixNano()}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		a.attempts++
		status, code, members := c.send(method, path, key, body)
		c.counts.requests.Add(1)
		final := status != 0 && status < 500 && status != http.StatusTooManyRequests && code != "idempotency_in_progress"
		if status == 0 || status >= 500 && status != http.StatusServiceUnavailable {
			c.counts.unknowns.Add(1)
		}
		if status == http.StatusInternalServerError {
			c.counts.internals.Add(1)
			c.log("500 for %s %s", method, path)
		}
		if final {
			a.status, a.code, a.body, a.to = status, code, members, time.Now().UnixNano()
			return a
		}
		pause(context.Background(), time.Duration(20+c.random.IntN(150))*time.Millisecond)
	}
	c.counts.unresolved.Add(1)
	a.to = time.Now().UnixNano()
	return a
}

// send sends one request; status 0 means that no whole answer came.
func (c *client) send(method, path, key string, body any) (status int, code string, members map[string]any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.base+path, bytes.NewReader(encoded))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, "", nil
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&members) != nil {
		members = map[string]any{}
	}
	if resp.Header.Get("Idempotency-Replayed") != "" {
		c.counts.replays.Add(1)
	}
	code, _ = members["code"].(string)
	return resp.StatusCode, code, members
}
