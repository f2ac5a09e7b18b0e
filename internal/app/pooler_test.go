package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"evently/internal/testkit"
)

// A pooler in transaction mode loses prepared statements, so DATABASE_URL asks pgx for none.
func TestPooler_BookingWithoutPreparedStatements(t *testing.T) {
	t.Parallel()
	direct := testkit.EmptyDatabaseURL(t)
	separator := "?"
	if strings.Contains(direct, "?") {
		separator = "&"
	}
	b := openBoxOffice(t,
		"DATABASE_URL="+direct+separator+"default_query_exec_mode=exec",
		"MIGRATE_DATABASE_URL="+direct,
		"ADMIN_EMAIL=root@example.com", "ADMIN_PASSWORD=root-password", "CLEANUP_SCHEDULE=@every 1h")
	user, key := b.register(t, "user@example.com"), map[string]string{"Idempotency-Key": "once"}

	locked := b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: user, header: key,
		body: map[string]any{"show_id": b.show, "seat_ids": b.seats[:2]}}).want(t, http.StatusOK, "")
	booking := int64(locked.body["booking_id"].(float64))
	if locked.body["amount"] != 900.0 {
		t.Errorf("amount of two seats at 450: %v", locked.body["amount"])
	}
	b.pay(t, user, booking, locked.body["amount"]).want(t, http.StatusOK, "")
	b.confirm(t, user, booking).want(t, http.StatusOK, "")
	b.cancel(t, user, booking).want(t, http.StatusOK, "")
	b.booking(t, user, booking)
	testkit.Expire(t, b.pool, b.hold(t, user, b.seats[3]))
	if n, err := b.Services().Bookings.ExpireDue(t.Context()); n != 1 || err != nil {
		t.Errorf("%d holds expired, %v", n, err)
	}
	for _, path := range []string{"/api/v1/shows", "/api/v1/shows/search?venue=a&time_range=2020-01-01T00:00:00Z,&availability=available", "/api/v1/user/bookings?status=CANCELLED"} {
		b.send(t, request{path: path, token: user}).want(t, http.StatusOK, "")
	}

	admin := b.login(t, "root@example.com", "root-password")
	venue := b.send(t, request{method: http.MethodPost, path: "/api/v1/admin/venues", token: admin,
		body: map[string]any{"venue_name": "Hall", "address": "1 Street"}}).want(t, http.StatusCreated, "")
	id := fmt.Sprint(venue.body["venue"].(map[string]any)["venue_id"])
	b.send(t, request{method: http.MethodPost, path: "/api/v1/admin/venues/" + id + "/seats", token: admin,
		body: map[string]any{"seats": []any{map[string]any{"seat_row": "A", "seat_number": 1}}}}).want(t, http.StatusCreated, "")
	event := b.send(t, request{method: http.MethodPost, path: "/api/v1/admin/events", token: admin,
		body: map[string]any{"title": "Show"}}).want(t, http.StatusCreated, "")
	show := b.send(t, request{method: http.MethodPost, path: "/api/v1/admin/shows", token: admin, body: map[string]any{
		"event_id": event.body["event"].(map[string]any)["event_id"], "venue_id": venue.body["venue"].(map[string]any)["venue_id"],
		"start_time": "2040-01-01T10:00:00Z", "end_time": "2040-01-01T12:00:00Z", "price": 12.5,
	}}).want(t, http.StatusCreated, "")
	stored := b.send(t, request{path: "/api/v1/shows/" + fmt.Sprint(show.body["show"].(map[string]any)["show_id"])}).want(t, http.StatusOK, "")
	if price := stored.body["show"].(map[string]any)["price"]; price != 12.5 {
		t.Errorf("price %v, want 12.5", price)
	}
	b.send(t, request{path: "/api/v1/admin/analytics?days=30", token: admin}).want(t, http.StatusOK, "")
	if loaded, err := b.Services().Demo.Load(t.Context()); err != nil || len(loaded.Shows) == 0 {
		t.Errorf("demo: %d shows, %v", len(loaded.Shows), err)
	}
	b.await(t, "/health", http.StatusOK, "status", "OK")

	b.audit(t)
}
