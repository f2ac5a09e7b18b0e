package app_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"evently/internal/domain"
	"evently/internal/testkit"
)

// FuzzRouter sends anything to the whole application, on real stores, as nobody, as a user and as
// an admin. Nothing makes it panic or answer 500, and every refusal has the one shape.
func FuzzRouter(f *testing.F) {
	b := openBoxOffice(f)
	user := b.user(f)
	admin, err := b.Services().Tokens.Issue(domain.User{ID: testkit.NewUser(f, b.pool), Email: "a@b.example", Role: domain.RoleAdmin})
	if err != nil {
		f.Fatal(err)
	}
	tokens := []string{"", user, admin}
	handler := b.Handler()

	add := func(method, target, body string) { f.Add(method, target, "X-Any", "thing", body, uint8(len(target))) }
	for _, target := range []string{
		"/", "/health", "/health/ready", "/api-docs/openapi.json", "/nope", "/api/v1/shows?limit=0", "/api/v1/shows?cursor=%00",
		"/api/v1/shows/search?venue=%25&time_range=,&availability=available", "/api/v1/shows/search?event=%ff;a", "/api/v1/shows/1",
		"/api/v1/shows/9223372036854775807/seats", "/api/v1/user/bookings?status=PENDING", "/api/v1/bookings/1", "/api/v1/admin/venues/1",
		"/api/v1/admin/analytics?days=30", "/api/v1/waiting-room/1", "/api/v1/admin/waiting-rooms/1",
	} {
		add("GET", target, "")
	}
	add("POST", "/api/v1/bookings/lock", `{"show_id":1,"seat_ids":[1,2]}`)
	add("POST", "/api/v1/bookings/payments/simulate", `{"booking_id":1,"amount":450,"outcome":"success"}`)
	add("POST", "/api/v1/bookings/1/confirm", `{"booking_id":1}`)
	add("POST", "/api/v1/bookings/1/cancel", "")
	add("POST", "/api/v1/auth/register", `{"email":"not one","password":"short"}`)
	add("POST", "/api/v1/admin/venues", `{"venue_name":"Hall","address":"1 Street"}`)
	add("POST", "/api/v1/admin/venues/1/seats", `{"seats":[{"seat_row":"Z","seat_number":2147483647}]}`)
	add("DELETE", "/api/v1/admin/venues/1/seats", `{"seats":[{"seat_row":"A","seat_number":1}]}`)
	add("POST", "/api/v1/admin/shows", `{"event_id":1,"venue_id":1,"start_time":"9999-12-31T23:59:59Z","end_time":"9999-12-31T23:59:59.9Z","price":99999999.99}`)
	add("PUT", "/api/v1/admin/shows/1", `{"price":1}`)
	add("PUT", "/api/v1/admin/waiting-rooms/1", `{"mode":"closed","batch_size":1}`)
	f.Add("POST", "/api/v1/bookings/lock", "Idempotency-Key", "k", `{"show_id":1,"seat_ids":[3]}`, uint8(1))
	f.Add("GET", "/api/v1/shows/1/seats", "If-None-Match", `W/"x", *`, "", uint8(0))
	f.Add("GET", "/api/v1/shows/1/seats", "Accept-Encoding", "gzip;q=0, *;q=1", "", uint8(0))
	f.Add("OPTIONS", "/api/v1/shows", "Origin", "null", "", uint8(0))
	f.Add("BREW", "//..//%2e", "X-Forwarded-For", "1.2.3.4, ::ffff:1", "\x00", uint8(2))

	f.Fuzz(func(t *testing.T, method, target, name, value, body string, who uint8) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://evently.example", strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			t.Skip("no request that a server would be given")
		}
		if r.URL, err = r.URL.Parse("http://evently.example" + target); err != nil {
			t.Skip("no URL")
		}
		if strings.HasSuffix(r.URL.Path, "/events") && strings.Contains(r.URL.Path, "waiting-room") {
			t.Skip("a stream does not end")
		}
		r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
		r.Header.Set("Content-Type", "application/json")
		if token := tokens[int(who)%len(tokens)]; token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		r.Header.Set(name, value)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)

		if w.Code >= http.StatusInternalServerError && !strings.HasPrefix(r.URL.Path, "/health") {
			t.Errorf("%s %s is answered %d %s", method, target, w.Code, w.Body)
		}
		if w.Header().Get("X-Request-ID") == "" {
			t.Error("no X-Request-ID")
		}
		if w.Code < http.StatusBadRequest || method == http.MethodHead {
			return
		}
		var shape struct {
			Message string `json:"message"`
			Code    string `json:"code"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &shape); err != nil || shape.Message == "" || shape.Code == "" {
			t.Errorf("%s %s is refused with %d %q: %v", method, target, w.Code, w.Body, err)
		}
	})
}
