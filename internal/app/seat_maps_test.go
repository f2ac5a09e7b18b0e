package app_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// With slowCache a seat map shows changes by other instances after 10 s, and its own at once.
const slowCache = "CACHE_MAX_AGE=10s"

func TestSeatMap_ShowsOwnBookingsAtOnce(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, slowCache)
	user := b.user(t)
	want := func(counts map[string]int) {
		t.Helper()
		if diff := cmp.Diff(counts, b.statuses(t)); diff != "" {
			t.Errorf("statuses (-want +got):\n%s", diff)
		}
	}
	want(map[string]int{"AVAILABLE": 10})
	booking := b.hold(t, user, b.seats[0], b.seats[1])
	want(map[string]int{"AVAILABLE": 8, "LOCKED": 2})
	b.pay(t, user, booking, 900).want(t, http.StatusOK, "")
	b.confirm(t, user, booking).want(t, http.StatusOK, "")
	want(map[string]int{"AVAILABLE": 8, "BOOKED": 2})
	b.cancel(t, user, booking).want(t, http.StatusOK, "")
	want(map[string]int{"AVAILABLE": 10})
}

func TestSeatMap_ShowsOwnCatalogChangesAtOnce(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, slowCache)
	admin := b.admin(t)
	count := func() (n int) {
		t.Helper()
		for _, seats := range b.statuses(t) {
			n += seats
		}
		return n
	}
	send := func(method, path string, body any) response {
		t.Helper()
		response := b.send(t, request{method: method, path: "/api/v1/admin/" + path, token: admin, body: body})
		if response.status >= http.StatusMultipleChoices {
			t.Fatalf("%s %s: %s", method, path, response.raw)
		}
		return response
	}
	show := b.send(t, request{path: fmt.Sprintf("/api/v1/shows/%d", b.show)}).body["show"].(map[string]any)
	if n := count(); n != 10 {
		t.Fatalf("%d seats at first, want 10", n)
	}
	send("POST", fmt.Sprintf("venues/%.0f/seats", show["venue_id"]), `{"seats":[{"seat_row":"Z","seat_number":1}]}`)
	if n := count(); n != 11 {
		t.Errorf("%d seats after one was added, want 11", n)
	}
	venue := send("POST", "venues", `{"venue_name":"Other Hall","address":"2 Test Street"}`).id(t, "venue.venue_id")
	send("PUT", fmt.Sprintf("shows/%d", b.show), map[string]any{"venue_id": venue})
	if n := count(); n != 0 {
		t.Errorf("%d seats after moving the show to a venue without seats", n)
	}
	send("DELETE", fmt.Sprintf("shows/%d", b.show), nil)
	b.send(t, request{path: fmt.Sprintf("/api/v1/shows/%d/seats", b.show)}).want(t, http.StatusNotFound, "show_not_found")
}
