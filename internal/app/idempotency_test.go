package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"

	"evently/internal/testkit"
)

const replayed = "Idempotency-Replayed"

// same fails the test unless again is a replay of first.
func same(t *testing.T, first, again response) {
	t.Helper()
	if first.header.Get(replayed) != "" {
		t.Errorf("the first response has %s", replayed)
	}
	if again.status != first.status || !bytes.Equal(again.raw, first.raw) || again.header.Get(replayed) != "true" {
		t.Errorf("first response %d %s, repeat %d %s (%s: %q)",
			first.status, first.raw, again.status, again.raw, replayed, again.header.Get(replayed))
	}
	if a, b := first.header.Get("Content-Type"), again.header.Get("Content-Type"); a != b {
		t.Errorf("Content-Type %q, and again %q", a, b)
	}
}

func TestIdempotency_RepeatIsReplayedByteForByte(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	lock := c.lockBody(c.seats[:2]...)
	first := c.post(t, "lock", "l", lock).want(t, http.StatusOK, "")
	same(t, first, c.post(t, "lock", "l", lock))
	booking := bookingOf(first)

	pay := payBody(booking, 900, "")
	first = c.post(t, "payments/simulate", "p", payBody(booking, 900, "success")).want(t, http.StatusOK, "")
	same(t, first, c.post(t, "payments/simulate", "p", payBody(booking, 900, "success")))
	c.post(t, "payments/simulate", "p", pay).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")

	first = c.post(t, bookingPath(booking, "confirm"), "c", nil).want(t, http.StatusOK, "")
	same(t, first, c.post(t, bookingPath(booking, "confirm"), "c", nil))

	first = c.post(t, bookingPath(booking, "cancel"), "c", nil).want(t, http.StatusOK, "")
	if first.body["refund"] == nil {
		t.Errorf("no refund in %s", first.raw)
	}
	same(t, first, c.post(t, bookingPath(booking, "cancel"), "c", nil))
	same(t, c.post(t, "lock", "l2", lock).want(t, http.StatusOK, ""), c.post(t, "lock", "l2", lock))
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings`); n != 2 {
		t.Errorf("%d bookings, want 2", n)
	}
	c.audit(t)
}

// The room refuses before the handler runs.
func TestIdempotency_RepeatInFrontOfAClosedRoomIsReplayed(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	body := c.lockBody(c.seats[0])
	first := c.post(t, "lock", "a key", body).want(t, http.StatusOK, "")
	booking := bookingOf(first)
	c.pay(t, booking, 1)
	c.post(t, bookingPath(booking, "confirm"), "", nil).want(t, http.StatusOK, "") // ends the admission
	c.send(t, request{
		method: http.MethodPut, path: fmt.Sprintf("/api/v1/admin/waiting-rooms/%d", c.show), token: c.admin(t),
		body: map[string]any{"mode": "closed"},
	}).want(t, http.StatusOK, "")
	same(t, first, c.post(t, "lock", "a key", body))
	c.post(t, "lock", "another key", body).want(t, http.StatusTooManyRequests, "waiting_room")
}

func TestIdempotency_KeyBelongsToUserRouteAndRequest(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	other := c.customer(t)
	const key = "the same key"

	first := c.post(t, "lock", key, c.lockBody(c.seats[0])).want(t, http.StatusOK, "")
	second := other.post(t, "lock", key, c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
	if bookingOf(first) == bookingOf(second) {
		t.Error("two users have one booking")
	}
	c.post(t, "lock", key, c.lockBody(c.seats[2])).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	same(t, first, c.post(t, "lock", key, fmt.Sprintf(`{ "seat_ids":[%d], "show_id":%d}`, c.seats[0], c.show)))
	same(t, first, c.post(t, "lock", key, fmt.Sprintf(`{"show_id":%d,"seat_ids":[%d]}`, c.show, c.seats[0])))
	booking := bookingOf(first)
	c.post(t, "payments/simulate", key, payBody(booking, 450, "success")).want(t, http.StatusOK, "")
	c.post(t, bookingPath(booking, "confirm"), key, nil).want(t, http.StatusOK, "")
	c.post(t, bookingPath(booking, "cancel"), key, nil).want(t, http.StatusOK, "")
	// Another booking is another request of the same route.
	third := c.hold(t, c.seats[3])
	c.post(t, bookingPath(third, "cancel"), key, nil).want(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	c.audit(t)
}

func TestIdempotency_RepeatOfARunningRequestIsRefused(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	unlock := c.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, c.seats[0])
	first := c.inBackground(t, c.posting("lock", "k", c.lockBody(c.seats[0])))
	c.blocked(t, 1)
	got := c.post(t, "lock", "k", c.lockBody(c.seats[0])).want(t, http.StatusConflict, "idempotency_in_progress")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	unlock()
	same(t, (<-first).want(t, http.StatusOK, ""), c.post(t, "lock", "k", c.lockBody(c.seats[0])))
}

func TestIdempotency_TwentyAtOnceMakeOneBooking(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	const n = 20
	var responses [n]<-chan response
	for i := range responses {
		responses[i] = c.inBackground(t, c.posting("lock", "k", c.lockBody(c.seats[0])))
	}
	told := map[string]bool{}
	first := 0
	for _, got := range responses {
		r := <-got
		if r.status == http.StatusConflict && r.code() == "idempotency_in_progress" {
			continue
		}
		told[string(r.want(t, http.StatusOK, "").raw)] = true
		if r.header.Get(replayed) == "" {
			first++
		}
	}
	if len(told) != 1 || first != 1 {
		t.Errorf("%d different responses, %d of them first", len(told), first)
	}
	if n := testkit.Value[int](t, c.pool, `SELECT count(*) FROM bookings`); n != 1 {
		t.Errorf("%d bookings", n)
	}
}

func TestIdempotency_RefusalThatChangedNothingIsNotStored(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	booking := c.hold(t, c.seats[0])
	confirm := bookingPath(booking, "confirm")
	c.post(t, confirm, "k", nil).want(t, http.StatusPaymentRequired, "payment_required")
	c.post(t, "payments/simulate", "k", payBody(booking, 451, "success")).want(t, http.StatusBadRequest, "amount_mismatch")
	declined := payBody(booking, 450, "decline")
	c.post(t, "payments/simulate", "k", declined).want(t, http.StatusPaymentRequired, "payment_declined")
	c.post(t, "payments/simulate", "k", declined).want(t, http.StatusPaymentRequired, "payment_declined")
	c.post(t, "lock", "k", c.lockBody(c.seats[0], c.seats[1])).want(t, http.StatusConflict, "seats_unavailable")
	if all, _ := c.keys(t); all != 0 {
		t.Errorf("%d keys stored", all)
	}
	c.pay(t, booking, 1)
	first := c.post(t, confirm, "k", nil).want(t, http.StatusOK, "")
	same(t, first, c.post(t, confirm, "k", nil))
	c.audit(t)
}

func TestIdempotency_RefusalThatRefundsIsStored(t *testing.T) {
	t.Parallel()
	c := newCustomer(t)
	booking := c.hold(t, c.seats[0])
	c.pay(t, booking, 1)
	testkit.Expire(t, c.pool, booking)
	confirm := bookingPath(booking, "confirm")
	first := c.post(t, confirm, "k", nil).want(t, http.StatusGone, "hold_expired")
	same(t, first, c.post(t, confirm, "k", nil))
	if first.body["request_id"] == "" {
		t.Errorf("no request_id in %s", first.raw)
	}
	c.audit(t)
}

func TestIdempotency_FailureOfTheDatabaseIsNotStored(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, "DATABASE_QUERY_TIMEOUT=1s")
	unlock := c.lockRow(t, `SELECT FROM show_seats WHERE seat_id = $1 FOR UPDATE`, c.seats[1])
	c.post(t, "lock", "slow", c.lockBody(c.seats[1])).want(t, http.StatusServiceUnavailable, "database_unavailable")
	unlock()
	c.post(t, "lock", "slow", c.lockBody(c.seats[1])).want(t, http.StatusOK, "")
}
