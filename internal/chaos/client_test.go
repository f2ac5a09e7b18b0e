package chaos_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// stats counts what all clients did.
type stats struct {
	requests, operations, unanswered, unresolved, replays, repeats atomic.Int64
	declined, paidTwice, sameHold, heldByYou, retriedRefusals      atomic.Int64
}

// findings are the responses that no fault excuses.
type findings struct {
	mu    sync.Mutex
	texts []string
}

func (f *findings) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.texts = append(f.texts, fmt.Sprintf(format, args...))
}

// client books for one user, one request after the other.
type client struct {
	number   int
	base     string
	http     *http.Client
	random   *rand.Rand
	history  *history
	journal  *journal
	locks    *lockWatch
	payments *acknowledged
	stats    *stats
	findings *findings
	shows    []show

	token    string
	serial   int
	lastLost time.Time      // when a lock got no response last
	holds    map[int64]bool // bookings that a lock returned
	kept     []booking      // CONFIRMED, to be cancelled later
}

type show struct {
	id    int64
	seats []int64
}

type booking struct {
	id, showID, expiresAt int64
	amount                json.Number
	seats                 []int64
}

const (
	// patience is how long a client retries one operation.
	patience = 20 * time.Second
	// keepers is how many of the clients keep a booking for a while.
	keepers = 10
	// settleTime is how long a request without a response may still be executed.
	settleTime = 10 * time.Second
)

// run books until ctx ends, and finishes what it has begun.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil {
		c.book(ctx)
		pause(ctx, time.Duration(c.random.IntN(60))*time.Millisecond)
	}
}

// oneIn reports true once in n times.
func (c *client) oneIn(n int) bool { return c.random.IntN(n) == 0 }

// book takes some seats from lock to cancel, or stops on the way.
func (c *client) book(ctx context.Context) {
	s := c.shows[c.random.IntN(len(c.shows))]
	if c.oneIn(15) {
		c.read(s)
		return
	}
	b, ok := c.lock(s.id, c.someSeats(s))
	if !ok {
		return
	}
	if c.oneIn(10) { // a double click: the same hold, or a new one if it has expired meanwhile
		if again, ok := c.lock(s.id, b.seats); ok {
			b = again
		}
	}
	if c.oneIn(10) { // adds seats to those of the hold, which is refused while it is live
		if other, ok := c.lock(s.id, c.withOthers(s, b.seats[0])); ok {
			b = other
		}
	}
	switch c.random.IntN(10) {
	case 0: // leaves without cancelling
		return
	case 1:
		c.settle(b, opCancel)
		return
	case 2: // pays at the end of the hold
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

func (c *client) someSeats(s show) []int64 {
	seats := make([]int64, 0, 3)
	first, n := c.random.IntN(len(s.seats)), 1+c.random.IntN(3)
	for i := range n {
		seats = append(seats, s.seats[(first+i)%len(s.seats)])
	}
	c.random.Shuffle(n, func(i, j int) { seats[i], seats[j] = seats[j], seats[i] })
	return seats
}

// withOthers returns a seat and one or two others.
func (c *client) withOthers(s show, seat int64) []int64 {
	seats := []int64{seat}
	for _, other := range c.someSeats(s) {
		if other != seat && len(seats) < 3 {
			seats = append(seats, other)
		}
	}
	return seats
}

// lock requests seats: half of the times with a key and retries, half of the times once and without a key.
func (c *client) lock(showID int64, seats []int64) (booking, bool) {
	body := map[string]any{"show_id": showID, "seat_ids": seats}
	var r result
	if c.oneIn(2) {
		r = c.once("/api/v1/bookings/lock", body)
	} else {
		key := c.newKey()
		r = c.retry("/api/v1/bookings/lock", key, body)
		if r.status == http.StatusConflict && c.oneIn(5) { // refusals are not stored for the key
			c.stats.retriedRefusals.Add(1)
			pause(context.Background(), 100*time.Millisecond)
			r = r.then(c.retry("/api/v1/bookings/lock", key, body))
		}
	}
	if r.lost {
		c.lastLost = time.Now()
	}
	switch r.status {
	case http.StatusOK:
		return c.locked(r, showID, seats)
	case http.StatusConflict:
		c.checkRefusal(r, seats)
		if r.lost { // a lost request may still be executed, when the seats are available again
			c.record(r, opLock, unknown, booking{seats: seats})
		}
	case 0:
		c.record(r, opLock, unknown, booking{seats: seats})
	default:
		c.report("lock", booking{}, r)
	}
	return booking{}, false
}

// locked records a lock that returned a hold: a new one, or the client's own of the same seats.
func (c *client) locked(r result, showID int64, seats []int64) (booking, bool) {
	id, _ := r.body["booking_id"].(json.Number).Int64()
	expires, err := time.Parse(time.RFC3339Nano, fmt.Sprint(r.body["expires_at"]))
	if err != nil {
		c.findings.add("lock: invalid response %s", r.raw)
	}
	b := booking{id: id, showID: showID, expiresAt: expires.UnixNano(), seats: seats}
	b.amount, _ = r.body["amount"].(json.Number)
	kind := opLock
	if c.holds[id] {
		c.stats.sameHold.Add(1)
		kind = opSameHold
	} else if r.attempts == 1 && time.Since(c.lastLost) > settleTime {
		c.locks.watch(id)
	}
	c.holds[id] = true
	c.record(r, kind, done, b)
	return b, true
}

// checkRefusal checks the fields of a 409 to a lock.
func (c *client) checkRefusal(r result, seats []int64) {
	if r.code != "seats_unavailable" {
		c.report("lock", booking{}, r)
		return
	}
	failed, own := r.ids("failed_seats"), r.ids("held_by_you")
	if len(own) > 0 {
		c.stats.heldByYou.Add(1)
	}
	within := func(ids, of []int64) bool {
		return !slices.ContainsFunc(ids, func(id int64) bool { return !slices.Contains(of, id) })
	}
	if len(failed) == 0 || !within(failed, seats) || !within(own, failed) {
		c.findings.add("lock of seats %v was refused with %s", seats, r.raw)
	}
}

// settle confirms or cancels and reports whether that was done.
func (c *client) settle(b booking, k kind) bool {
	r := c.retry(fmt.Sprintf("/api/v1/bookings/%d/%s", b.id, k), c.newKey(), map[string]any{})
	switch r.status {
	case http.StatusOK:
		c.record(r, k, done, b)
		return true
	case http.StatusGone, http.StatusConflict:
		c.record(r, k, ended, b)
	case 0:
		c.record(r, k, unknown, b)
	default: // 402 too: the booking was paid
		c.report(string(k), b, r)
	}
	return false
}

// report notes a response that cannot be right: an acknowledged booking or payment that is missing, a key
// that is taken for that of another request, a 500.
func (c *client) report(operation string, b booking, r result) {
	c.findings.add("%s of booking %d by client %d: %d %s", operation, b.id, c.number, r.status, r.raw)
}

// read reads the seat map of a show. It may be CACHE_MAX_AGE old, and may show a hold as expired too early
// by the time that the database took.
func (c *client) read(s show) bool {
	r := c.retryGet(fmt.Sprintf("/api/v1/shows/%d/seats", s.id))
	list, _ := r.body["seats"].([]any)
	calls := make([]call, 0, len(list))
	for _, one := range list {
		seat, _ := one.(map[string]any)
		number, _ := seat["seat_id"].(json.Number)
		id, err := number.Int64()
		if err != nil {
			c.findings.add("a seat map has %v", one)
		}
		status, _ := seat["status"].(string)
		calls = append(calls, call{
			kind: opRead, seat: id, status: status, outcome: done,
			from: r.from - int64(cacheAge), to: r.to, early: int64(cacheAge) + r.to - r.from,
		})
	}
	c.history.add(calls...)
	return len(calls) == len(s.seats)
}

func (c *client) record(r result, k kind, o outcome, b booking) {
	calls := make([]call, len(b.seats))
	for i, seat := range b.seats {
		calls[i] = call{kind: k, seat: seat, booking: b.id, outcome: o, from: r.from, to: r.to}
		if k == opLock || k == opSameHold {
			calls[i].expiresAt = b.expiresAt
		}
	}
	c.history.add(calls...)
}
