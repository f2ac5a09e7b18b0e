package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"evently/internal/testkit"
)

// lockOf locks the first n seats of a show after the first skip.
func (b *boxOffice) lockOf(t testing.TB, token string, show int64, skip, n int) response {
	t.Helper()
	return b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: token,
		body: map[string]any{"show_id": show, "seat_ids": testkit.SeatIDs(t, b.pool, show)[skip : skip+n]}})
}

// Somebody who asks for holds of many shows at once gets as many as one person may have, and again as many only
// after paying or letting go.
func TestHolds_UserHasAtMostSoManyUnpaid(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "MAX_HOLDS_PER_USER=3")
	user := b.user(t)
	var group sync.WaitGroup
	statuses := make([]int, 8)
	for n := range statuses {
		show := testkit.NewShow(t, b.pool, testkit.Show{})
		group.Go(func() { statuses[n] = b.lockOf(t, user, show, 0, 1).status })
	}
	group.Wait()
	held := 0
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			held++
		case http.StatusConflict:
		default:
			t.Errorf("status %d", status)
		}
	}
	if held != 3 {
		t.Errorf("%d of 8 locks at once succeeded, want 3", held)
	}
	b.lock(t, user, b.seats[0]).want(t, http.StatusConflict, "too_many_holds")

	bookings := b.send(t, request{path: "/api/v1/user/bookings?status=PENDING", token: user}).body["bookings"].([]any)
	first := int64(bookings[0].(map[string]any)["booking_id"].(float64))
	b.cancel(t, user, first).want(t, http.StatusOK, "")
	own := b.hold(t, user, b.seats[0])
	b.lock(t, user, b.seats[0]).want(t, http.StatusOK, "") // the same hold again
	b.lock(t, user, b.seats[1]).want(t, http.StatusConflict, "too_many_holds")
	b.pay(t, user, own, b.booking(t, user, own)["amount"]).want(t, http.StatusOK, "")
	b.hold(t, user, b.seats[1])
}

func TestHolds_SeatThatWasLetGoCoolsDown(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "HOLD_COOLDOWN=1h", "SEAT_LOCK_TIMEOUT=1", "CLEANUP_SCHEDULE=0 0 1 1 *")
	user, other := b.user(t), b.user(t)
	before := time.Now()
	b.cancel(t, user, b.hold(t, user, b.seats[0], b.seats[1])).want(t, http.StatusOK, "")
	refused := b.lock(t, user, b.seats[1], b.seats[2]).want(t, http.StatusConflict, "seat_cooling_down")
	retryAt, err := time.Parse(time.RFC3339Nano, refused.text(t, "retry_at"))
	if err != nil || retryAt.Before(before.Add(time.Hour).Truncate(time.Second)) || retryAt.After(time.Now().Add(time.Hour)) {
		t.Errorf("retry_at %v, %v: not an hour after the cancellation", retryAt, err)
	}
	b.hold(t, user, b.seats[2])
	b.hold(t, other, b.seats[1])

	// The hold runs out, and nobody has cleaned it up.
	eventually(t, "the hold to end", func() bool {
		return testkit.Value[bool](t, b.pool, `SELECT bool_and(expires_at < now()) FROM bookings`)
	})
	b.lock(t, user, b.seats[2]).want(t, http.StatusConflict, "seat_cooling_down")
	b.hold(t, other, b.seats[2])
	b.hold(t, user, b.seats[3])
}

// One who has paid and cancels has not held the seat for nothing.
func TestHolds_PaidSeatDoesNotCoolDown(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "HOLD_COOLDOWN=1h")
	user := b.user(t)
	id := b.hold(t, user, b.seats[0])
	b.pay(t, user, id, b.booking(t, user, id)["amount"]).want(t, http.StatusOK, "")
	b.confirm(t, user, id).want(t, http.StatusOK, "")
	b.cancel(t, user, id).want(t, http.StatusOK, "")
	b.hold(t, user, b.seats[0])
}

func TestRegister_NeedsTheChallengeWhereThereIsOne(t *testing.T) {
	t.Parallel()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"success": false}`
		if r.PostFormValue("secret") == "of the site" && r.PostFormValue("response") == "solved" {
			answer = `{"success": true}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer provider.Close()
	i := start(t, "CHALLENGE_URL="+provider.URL, "CHALLENGE_SECRET=of the site")
	register := func(challenge any) response {
		body := map[string]any{"email": "ada@example.com", "password": "a long password"}
		if challenge != nil {
			body["challenge"] = challenge
		}
		return i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/register", body: body})
	}
	register(nil).want(t, http.StatusBadRequest, "challenge_failed")
	register("guessed").want(t, http.StatusBadRequest, "challenge_failed")
	register("solved").want(t, http.StatusCreated, "")
	provider.Close()
	register("solved").want(t, http.StatusServiceUnavailable, "challenge_unavailable")
}

// Accounts that one address has registered do not fill the waiting room of everybody.
func TestWaitingRoom_NetworkHasAFewPlaces(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "WAITING_ROOM_PLACES_PER_NETWORK=2", "TRUSTED_PROXIES=127.0.0.1", "MAX_CONCURRENT_USERS=1")
	join := func(token, client string) response {
		return b.send(t, request{method: http.MethodPost, path: fmt.Sprintf("/api/v1/waiting-room/%d/join", b.show),
			token: token, header: from(client)})
	}
	for _, network := range []string{"192.0.2.%d", "2001:db8:0:%d::1"} {
		client := func(last int) string { // another /64 of one /56, but the address of one IPv4 client
			if network == "192.0.2.%d" {
				last = 1
			}
			return fmt.Sprintf(network, last)
		}
		most := 2
		if network != "192.0.2.%d" {
			most = 8
		}
		users := b.users(t, most+1)
		for n, user := range users[:most] {
			join(user, client(n)).want(t, http.StatusOK, "")
		}
		join(users[most], client(most)).want(t, http.StatusTooManyRequests, "too_many_places")
		b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: users[most], header: from(client(most)),
			body: map[string]any{"show_id": b.show, "seat_ids": b.seats[:1]}}).want(t, http.StatusTooManyRequests, "too_many_places")
		join(users[0], client(0)).want(t, http.StatusOK, "") // has a place already
		b.send(t, request{method: http.MethodDelete, path: fmt.Sprintf("/api/v1/waiting-room/%d", b.show), token: users[1]}).
			want(t, http.StatusNoContent, "")
		join(users[most], client(most)).want(t, http.StatusOK, "")
	}
}
