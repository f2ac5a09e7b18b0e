package chaos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// counts is what the clients have seen, all together.
type counts struct {
	requests, operations, unknowns, unresolved, replays, repeats atomic.Int64
}

// complaints are answers that nobody should have been given, whatever broke.
type complaints struct {
	mu    sync.Mutex
	texts []string
}

func (c *complaints) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.texts = append(c.texts, fmt.Sprintf(format, args...))
}

// client books for one user.
type client struct {
	number  int
	base    string
	http    *http.Client
	random  *rand.Rand
	history *history
	journal *journal
	locks   *lockWatch
	counts  *counts
	wrong   *complaints
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
	reply
	from, to int64
	attempts int
	// lost tells that an attempt got no answer: it may be done yet, behind all the others.
	lost bool
}

// reply is what one request was told.
type reply struct {
	status   int // 0: no whole answer came
	code     string
	body     map[string]any
	raw      []byte
	replayed bool
	unsent   bool // the proxy found nobody to pass it on to
}

// lost tells that the request may have been done, may not, or may yet be.
func (r reply) lost() bool {
	return r.status == 0 || r.status == http.StatusBadGateway && !r.unsent
}

const (
	// patience is how long a client goes on asking for one operation.
	patience = 20 * time.Second
	// keepers is how many of the clients keep a booking for a while.
	keepers = 10
	// repeatOneIn is how many of the requests that were done are sent once more: one in so many.
	repeatOneIn = 10
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
	// With a key a lock is part of a transaction, and without one it is a transaction by itself.
	ask := c.do
	if c.random.IntN(2) == 0 {
		ask = c.once
	}
	a := ask("POST", "/api/v1/bookings/lock", true, map[string]any{"show_id": s.id, "seat_ids": seats})
	switch a.status {
	case http.StatusOK:
		var b booking
		id, _ := a.body["booking_id"].(json.Number).Int64()
		expires, err := time.Parse(time.RFC3339Nano, fmt.Sprint(a.body["expires_at"]))
		if err != nil {
			c.wrong.add("a lock is told %s", a.raw)
		}
		b.id, b.expiresAt, b.seats = id, expires.UnixNano(), seats
		b.amount, _ = a.body["amount"].(json.Number)
		if a.attempts == 1 {
			c.locks.ack(id)
		}
		c.record(a, opLock, told, b)
		return b, true
	case http.StatusConflict:
		if a.lost { // somebody else has a seat now; the attempt that got lost may come when they have not
			c.record(a, opLock, unknown, booking{seats: seats})
		}
	case 0:
		c.record(a, opLock, unknown, booking{seats: seats})
	default:
		c.complain(opLock, booking{}, a)
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
	case http.StatusPaymentRequired, 0:
	default:
		c.complain("pay", b, a)
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
	case 0:
		c.record(a, k, unknown, b)
	default: // also 402 to a confirmation: it was paid
		c.complain(k, b, a)
	}
	return false
}

// complain notes an answer that cannot be right: a booking or a payment that was acknowledged and is
// not there, a key that is taken for that of another request, a 500.
func (c *client) complain(k kind, b booking, a answer) {
	c.wrong.add("%s of booking %d by client %d is told %d %s", k, b.id, c.number, a.status, a.raw)
}

// read looks at the seats of a show. They come from a memory that may be behind by CACHE_MAX_AGE,
// and whose ends of holds are too early by what the database took to answer.
func (c *client) read(s show) bool {
	a := c.do("GET", fmt.Sprintf("/api/v1/shows/%d/seats", s.id), false, nil)
	list, _ := a.body["seats"].([]any)
	calls := make([]call, 0, len(list))
	for _, one := range list {
		seat, _ := one.(map[string]any)
		number, _ := seat["seat_id"].(json.Number)
		id, err := number.Int64()
		if err != nil {
			c.wrong.add("a seat map has %v", one)
		}
		status, _ := seat["status"].(string)
		calls = append(calls, call{kind: opRead, seat: id, status: status, outcome: told,
			from: a.from - int64(cacheAge), to: a.to, early: int64(cacheAge) + a.to - a.from})
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
		r := c.send(method, path, key, body)
		if final(r) {
			a.reply, a.to = r, time.Now().UnixNano()
			if keyed && r.status == http.StatusOK && c.random.IntN(repeatOneIn) == 0 {
				c.repeat(method, path, key, body, r)
			}
			return a
		}
		if r.lost() {
			c.counts.unknowns.Add(1)
			a.lost = true
		}
		pause(context.Background(), time.Duration(20+c.random.IntN(150))*time.Millisecond)
	}
	c.counts.unresolved.Add(1)
	a.to = time.Now().UnixNano()
	return a
}

// once asks without a key, and only once: what is not final then may have been done, and nobody knows.
func (c *client) once(method, path string, _ bool, body any) answer {
	c.counts.operations.Add(1)
	a := answer{from: time.Now().UnixNano(), attempts: 1}
	a.reply = c.send(method, path, "", body)
	a.to = time.Now().UnixNano()
	if !final(a.reply) {
		c.counts.unknowns.Add(1)
		a.reply = reply{}
	}
	return a
}

// final reports whether asking again is no use. A 500 is final: it is the service's fault, whatever
// broke.
func final(r reply) bool {
	switch r.status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return false
	}
	return r.code != "idempotency_in_progress"
}

// repeat sends a request that was done once more with its key: it is told the same, to the byte.
func (c *client) repeat(method, path, key string, body any, first reply) {
	again := c.send(method, path, key, body)
	if !final(again) {
		return
	}
	c.counts.repeats.Add(1)
	if again.status != first.status || !again.replayed || !bytes.Equal(again.raw, first.raw) {
		c.wrong.add("%s %s with the key %s is told %s, and repeated %d %s", method, path, key, first.raw, again.status, again.raw)
	}
}

// send sends one request, and has it in the journal with what it was told.
func (c *client) send(method, path, key string, body any) (r reply) {
	encoded, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	c.counts.requests.Add(1)
	from := time.Now()
	defer func() {
		if r.replayed {
			c.counts.replays.Add(1)
		}
		c.journal.write(entry{
			From: from, To: time.Now(), Client: c.number, Request: method + " " + path, Key: key, Body: encoded,
			Status: r.status, Replayed: r.replayed, Answer: string(r.raw),
		})
	}()
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
		return reply{}
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}
	}
	r = reply{
		status: resp.StatusCode, raw: raw,
		replayed: resp.Header.Get("Idempotency-Replayed") != "", unsent: resp.Header.Get(unsentHeader) != "",
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&r.body) != nil {
		r.body = map[string]any{}
	}
	r.code, _ = r.body["code"].(string)
	return r
}
