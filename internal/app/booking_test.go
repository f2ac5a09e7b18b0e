package app_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/testkit"
)

func TestBooking_FromLockToCancel(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)

	locked := b.lock(t, user, b.seats[1], b.seats[0]).want(t, http.StatusOK, "")
	booking := int64(locked.body["booking_id"].(float64))
	want := map[string]any{
		"message":      "Seats locked successfully",
		"booking_id":   float64(booking),
		"locked_seats": b.booking(t, user, booking)["seats"],
		"expires_in":   600.0,
		"expires_at":   locked.body["expires_at"],
		"amount":       900.0,
		"booking":      b.booking(t, user, booking),
	}
	locked.body["booking"].(map[string]any)["expires_in"] = want["booking"].(map[string]any)["expires_in"] // they may differ by a second
	if diff := cmp.Diff(want, locked.body); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"LOCKED": 2, "AVAILABLE": 8}, b.statuses(t)); diff != "" {
		t.Error(diff)
	}

	b.confirm(t, user, booking).want(t, http.StatusPaymentRequired, "payment_required")
	mismatch := b.pay(t, user, booking, 899.99).want(t, http.StatusBadRequest, "amount_mismatch")
	if mismatch.body["expected_amount"] != 900.0 {
		t.Errorf("expected_amount is %v", mismatch.body["expected_amount"])
	}
	declined := b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/payments/simulate", token: user,
		body: map[string]any{"booking_id": booking, "amount": 900, "outcome": "decline"}}).
		want(t, http.StatusPaymentRequired, "payment_declined")
	if declined.body["message"] != "Payment failed" || declined.body["error"] != "Insufficient funds" {
		t.Errorf("declined payment: %s", declined.raw)
	}
	paid := b.pay(t, user, booking, 900).want(t, http.StatusOK, "")
	if again := b.pay(t, user, booking, 900.00).want(t, http.StatusOK, ""); string(again.raw) != string(paid.raw) {
		t.Errorf("repeated payment returned %s, want %s", again.raw, paid.raw)
	}

	confirmed := b.confirm(t, user, booking).want(t, http.StatusOK, "")
	if again := b.confirm(t, user, booking).want(t, http.StatusOK, ""); string(again.raw) != string(confirmed.raw) {
		t.Errorf("repeated confirmation returned %s, want %s", again.raw, confirmed.raw)
	}
	b.pay(t, user, booking, 900).want(t, http.StatusOK, "")
	if diff := cmp.Diff(map[string]int{"BOOKED": 2, "AVAILABLE": 8}, b.statuses(t)); diff != "" {
		t.Error(diff)
	}

	cancelled := b.cancel(t, user, booking).want(t, http.StatusOK, "")
	refund := map[string]any{"transaction_id": paid.body["transaction_id"], "amount": 900.0}
	if diff := cmp.Diff(refund, cancelled.body["refund"]); diff != "" {
		t.Error(diff)
	}
	b.cancel(t, user, booking).want(t, http.StatusConflict, "booking_already_cancelled")
	b.confirm(t, user, booking).want(t, http.StatusConflict, "booking_not_pending")
	b.pay(t, user, booking, 900).want(t, http.StatusConflict, "booking_not_pending")
	got := b.booking(t, user, booking)
	if got["status"] != "CANCELLED" || got["cancel_reason"] != "user" || len(got["seats"].([]any)) != 2 {
		t.Errorf("cancelled booking: %v", got)
	}
	b.awaitAvailable(t, 10)
	b.audit(t)
}

func TestBooking_OfAnotherUserIsNotFound(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	owner, other := b.user(t), b.user(t)
	booking := b.hold(t, owner, b.seats[0])
	b.pay(t, other, booking, 450).want(t, http.StatusNotFound, "booking_not_found")
	b.confirm(t, other, booking).want(t, http.StatusNotFound, "booking_not_found")
	b.cancel(t, other, booking).want(t, http.StatusNotFound, "booking_not_found")
	b.send(t, request{path: fmt.Sprintf("/api/v1/bookings/%d", booking), token: other}).
		want(t, http.StatusNotFound, "booking_not_found")
	if got := b.booking(t, owner, booking); got["status"] != "PENDING" {
		t.Errorf("booking: %v", got)
	}
}

func TestLock_RefusalLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "MAX_SEATS_PER_BOOKING=4", "MAX_SEATS_PER_USER_PER_SHOW=5")
	user, other := b.user(t), b.user(t)
	b.hold(t, other, b.seats[0])

	taken := b.lock(t, user, b.seats[0], b.seats[1]).want(t, http.StatusConflict, "seats_unavailable")
	if diff := cmp.Diff([]any{float64(b.seats[0])}, taken.body["failed_seats"]); diff != "" {
		t.Error(diff)
	}
	elsewhere := testkit.SeatIDs(t, b.pool, testkit.NewShow(t, b.pool, testkit.Show{}))[0]
	invalid := b.lock(t, user, b.seats[1], elsewhere).want(t, http.StatusBadRequest, "invalid_seats")
	if diff := cmp.Diff([]any{float64(elsewhere)}, invalid.body["invalid_seats"]); diff != "" {
		t.Error(diff)
	}
	b.lock(t, user, b.seats[1], b.seats[1]).want(t, http.StatusBadRequest, "duplicate_seats")
	b.lock(t, user, b.seats[1:6]...).want(t, http.StatusBadRequest, "validation_failed")
	b.hold(t, user, b.seats[1:5]...)
	b.lock(t, user, b.seats[5], b.seats[6]).want(t, http.StatusConflict, "seat_limit_exceeded")
	b.hold(t, user, b.seats[5])

	started := testkit.NewShow(t, b.pool, testkit.Show{Start: time.Now().Add(-time.Minute)})
	b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: user,
		body: map[string]any{"show_id": started, "seat_ids": testkit.SeatIDs(t, b.pool, started)[:1]}}).
		want(t, http.StatusConflict, "show_started")
	b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: user,
		body: map[string]any{"show_id": 1 << 40, "seat_ids": b.seats[:1]}}).
		want(t, http.StatusNotFound, "show_not_found")

	if diff := cmp.Diff(map[string]int{"LOCKED": 6, "AVAILABLE": 4}, b.statuses(t)); diff != "" {
		t.Error(diff)
	}
	b.hold(t, b.user(t), b.seats[6:10]...)
	b.audit(t)
}

func TestCancel_StartedShowIsAConflict(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	booking := b.hold(t, user, b.seats[0])
	testkit.Exec(t, b.pool, `UPDATE shows SET start_time = now() - interval '1 minute' WHERE show_id = $1`, b.show)
	b.cancel(t, user, booking).want(t, http.StatusConflict, "show_started")
}

func TestHold_ExpiresWithoutTheCleanup(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "CLEANUP_SCHEDULE=@every 24h")
	user := b.user(t)

	for name, end := range map[string]func(booking int64){
		"confirm": func(booking int64) {
			gone := b.confirm(t, user, booking).want(t, http.StatusGone, "hold_expired")
			if diff := cmp.Diff([]any{float64(b.seats[0]), float64(b.seats[2])}, gone.body["expired_seats"]); diff != "" {
				t.Error(diff)
			}
			b.confirm(t, user, booking).want(t, http.StatusGone, "hold_expired")
		},
		"pay": func(booking int64) {
			b.pay(t, user, booking, 900).want(t, http.StatusGone, "hold_expired")
			b.pay(t, user, booking, 900).want(t, http.StatusGone, "hold_expired")
		},
		"cancel": func(booking int64) {
			b.cancel(t, user, booking).want(t, http.StatusConflict, "booking_already_cancelled")
		},
		"lock": func(int64) {
			b.cancel(t, user, b.hold(t, b.user(t), b.seats[0])).want(t, http.StatusNotFound, "booking_not_found")
		},
	} {
		booking := b.hold(t, user, b.seats[0], b.seats[2])
		b.pay(t, user, booking, 900).want(t, http.StatusOK, "")
		testkit.Expire(t, b.pool, booking)
		b.flushRedis(t) // its seat locks expire with the hold

		b.awaitAvailable(t, 10)
		b.awaitStatuses(t, map[string]int{"AVAILABLE": 10})
		if got := b.booking(t, user, booking); got["status"] != "CANCELLED" || got["cancel_reason"] != "expired" {
			t.Errorf("%s: booking %v", name, got)
		}
		end(booking)
		refunded := testkit.Value[bool](t, b.pool, `SELECT bool_and(status IN ('refund_pending', 'refunded')) FROM payments WHERE booking_id = $1`, booking)
		if !refunded {
			t.Errorf("%s: the payment was not refunded", name)
		}
		testkit.Exec(t, b.pool, `UPDATE bookings SET expires_at = now() WHERE status = 'PENDING'`)
		b.flushRedis(t)
		b.audit(t)
	}
}

func (b *boxOffice) flushRedis(t testing.TB) {
	t.Helper()
	client := b.redis(t)
	if err := client.FlushDB(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestSchedule_EndsExpiredHolds(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "CLEANUP_SCHEDULE=@every 1s", "SEAT_LOCK_TIMEOUT=1")
	user := b.user(t)
	booking := b.hold(t, user, b.seats[0])
	eventually(t, "the hold to be cancelled", func() bool {
		return testkit.Value[bool](t, b.pool, `
			SELECT status = 'CANCELLED' AND cancel_reason = 'expired'
			FROM bookings
			WHERE booking_id = $1`, booking)
	})
	b.hold(t, b.user(t), b.seats[0])
	b.audit(t)
}

func TestBooking_WorksWithoutRedis(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "REDIS_URL=redis://127.0.0.1:1/0", "DATABASE_ACQUIRE_TIMEOUT=30s")
	crowd := b.users(t, 20)
	responses := atOnce(len(crowd), func(i int) response { return b.lock(t, crowd[i], b.seats[0], b.seats[1]) })
	if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 19}, responses); diff != "" {
		t.Error(diff)
	}
	user := b.user(t)
	booking := b.hold(t, user, b.seats[5])
	b.pay(t, user, booking, 450).want(t, http.StatusOK, "")
	b.confirm(t, user, booking).want(t, http.StatusOK, "")
	b.cancel(t, user, booking).want(t, http.StatusOK, "")
	health := b.send(t, request{path: "/health"}).want(t, http.StatusOK, "")
	if health.body["status"] != "DEGRADED" {
		t.Errorf("health is %v, want DEGRADED", health.body["status"])
	}
	b.audit(t)
}

func TestLock_HeldSeatIsRefusedAfterARedisFlush(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	b.hold(t, b.user(t), b.seats[:5]...)
	b.flushRedis(t)
	crowd := b.users(t, 20)
	responses := atOnce(len(crowd), func(i int) response { return b.lock(t, crowd[i], b.seats[i%5]) })
	if diff := cmp.Diff(map[string]int{"409 seats_unavailable": 20}, responses); diff != "" {
		t.Error(diff)
	}
	b.audit(t)
}
