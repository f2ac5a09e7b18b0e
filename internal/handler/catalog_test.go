package handler_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/handler"
	"evently/internal/repository"
	"evently/internal/respcache"
	"evently/internal/respond"
	"evently/internal/seatmap"
	"evently/internal/service"
	"evently/internal/testkit"
)

// catalogAPI has the admin routes on a database of its own.
type catalogAPI struct {
	t      *testing.T
	pool   *pgxpool.Pool
	count  *testkit.QueryCount
	router http.Handler
}

func setupCatalog(t *testing.T) *catalogAPI {
	t.Helper()
	pool, count := testkit.CountingPool(t)
	store := repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
	catalog := service.NewCatalog(store, seatmap.New(store, seatmap.Options{Now: time.Now}), nil, slog.New(slog.DiscardHandler))
	h := handler.NewCatalog(catalog)
	analytics := handler.NewAnalytics(store, respcache.New(respcache.Options{}))

	log := slog.New(slog.DiscardHandler)
	router := chi.NewRouter()
	router.Use(documented(t, "/api/v1/admin"))
	for route, handle := range map[string]respond.Handler{
		"POST /venues":                    h.CreateVenue,
		"GET /venues":                     h.ListVenues,
		"GET /venues/{venue_id}":          h.Venue,
		"PUT /venues/{venue_id}":          h.UpdateVenue,
		"DELETE /venues/{venue_id}":       h.DeleteVenue,
		"POST /venues/{venue_id}/seats":   h.AddSeats,
		"PUT /venues/{venue_id}/seats":    h.UpdateSeats,
		"DELETE /venues/{venue_id}/seats": h.DeleteSeats,
		"POST /events":                    h.CreateEvent,
		"GET /events":                     h.ListEvents,
		"GET /events/{event_id}":          h.Event,
		"PUT /events/{event_id}":          h.UpdateEvent,
		"DELETE /events/{event_id}":       h.DeleteEvent,
		"POST /shows":                     h.CreateShow,
		"PUT /shows/{show_id}":            h.UpdateShow,
		"DELETE /shows/{show_id}":         h.DeleteShow,
		"GET /analytics":                  analytics.Get,
	} {
		method, path, _ := strings.Cut(route, " ")
		router.Method(method, path, respond.Adapt(log, handle))
	}
	return &catalogAPI{t: t, pool: pool, count: count, router: router}
}

// with returns the same routes for a subtest.
func (a *catalogAPI) with(t *testing.T) *catalogAPI {
	b := *a
	b.t = t
	return &b
}

// call sends a request, requires the status and returns the body of the response.
func (a *catalogAPI) call(method, path, body string, status int) map[string]any {
	a.t.Helper()
	request := httptest.NewRequestWithContext(a.t.Context(), method, path, strings.NewReader(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	recorder := httptest.NewRecorder()
	a.router.ServeHTTP(recorder, request)
	if recorder.Code != status {
		a.t.Fatalf("%s %s %.200s: status %d, want %d: %s", method, path, body, recorder.Code, status, recorder.Body)
	}
	decoder := json.NewDecoder(recorder.Body)
	decoder.UseNumber()
	var answer map[string]any
	if err := decoder.Decode(&answer); err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

// wantError sends a request, requires the status and the code of an error and returns the body.
func (a *catalogAPI) wantError(method, path, body string, status int, code string) map[string]any {
	a.t.Helper()
	answer := a.call(method, path, body, status)
	if answer["code"] != code {
		a.t.Fatalf("%s %s %.200s: code %v, want %s: %v", method, path, body, answer["code"], code, answer)
	}
	return answer
}

// id returns an id in a response: id(response, "venue", "venue_id").
func (a *catalogAPI) id(answer map[string]any, object, field string) int64 {
	a.t.Helper()
	id, err := member[json.Number](a.t, member[map[string]any](a.t, answer, object), field).Int64()
	if err != nil {
		a.t.Fatalf("%s.%s: %v", object, field, err)
	}
	return id
}

// member gives a member of an object in an answer, which must be a T.
func member[T any](t *testing.T, object any, name string) T {
	t.Helper()
	members, ok := object.(map[string]any)
	if !ok {
		t.Fatalf("%v is not an object", object)
	}
	value, ok := members[name].(T)
	if !ok {
		t.Fatalf("%s is %#v", name, members[name])
	}
	return value
}

// diff compares an answer to JSON, without the members named in ignore at any depth.
func diff(t *testing.T, got any, want string, ignore ...string) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(want))
	decoder.UseNumber()
	var wanted any
	if err := decoder.Decode(&wanted); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	ignored := cmp.FilterPath(func(p cmp.Path) bool {
		index, ok := p.Last().(cmp.MapIndex)
		if !ok {
			return false
		}
		for _, name := range ignore {
			if index.Key().String() == name {
				return true
			}
		}
		return false
	}, cmp.Ignore())
	if d := cmp.Diff(wanted, got, ignored); d != "" {
		t.Fatalf("answer (-want +got):\n%s", d)
	}
}

func TestVenues_CreateReadUpdateDelete(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)

	created := a.call("POST", "/venues", `{"venue_name":"Grand","address":"1 High St\nLondon"}`, 201)
	id := a.id(created, "venue", "venue_id")
	diff(t, created, fmt.Sprintf(`{"venue":{"venue_id":%d,"venue_name":"Grand","address":"1 High St\nLondon"}}`, id), "created_at")
	if at := member[string](t, created["venue"], "created_at"); !strings.HasSuffix(at, "Z") {
		t.Errorf("created_at %s is not in UTC", at)
	}
	path := fmt.Sprintf("/venues/%d", id)

	diff(t, a.call("PUT", path, `{"address":"2 High St","venue_name":null}`, 200),
		fmt.Sprintf(`{"venue":{"venue_id":%d,"venue_name":"Grand","address":"2 High St"}}`, id), "created_at")
	a.call("PUT", path, `{"venue_name":"Grander"}`, 200)
	diff(t, a.call("GET", path, "", 200),
		fmt.Sprintf(`{"venue":{"venue_id":%d,"venue_name":"Grander","address":"2 High St"},"seats":[]}`, id), "created_at")

	diff(t, a.call("DELETE", path, "", 200), `{"message":"Venue deleted successfully"}`)
	for _, method := range []string{"GET", "DELETE"} {
		a.wantError(method, path, "", 404, "venue_not_found")
	}
	a.wantError("PUT", path, `{"address":"x"}`, 404, "venue_not_found")
	seats := `{"seats":[{"seat_row":"A","seat_number":1}]}`
	a.wantError("POST", path+"/seats", seats, 404, "venue_not_found")
	a.wantError("DELETE", path+"/seats", seats, 404, "venue_not_found")
}

func TestEvents_CreateReadUpdateDelete(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)

	created := a.call("POST", "/events", `{"title":"Galactic Odyssey"}`, 201)
	id := a.id(created, "event", "event_id")
	path := fmt.Sprintf("/events/%d", id)
	want := fmt.Sprintf(`{"event":{"event_id":%d,"title":"Galactic Odyssey"}}`, id)
	diff(t, created, want, "created_at")
	diff(t, a.call("GET", path, "", 200), want, "created_at")
	diff(t, a.call("PUT", path, `{"title":"Echoes"}`, 200), fmt.Sprintf(`{"event":{"event_id":%d,"title":"Echoes"}}`, id), "created_at")

	show := testkit.NewShow(t, a.pool, testkit.Show{EventID: id})
	a.wantError("DELETE", path, "", 409, "event_has_shows")
	testkit.Exec(t, a.pool, `DELETE FROM shows WHERE show_id = $1`, show)
	diff(t, a.call("DELETE", path, "", 200), `{"message":"Event deleted successfully"}`)
	a.wantError("GET", path, "", 404, "event_not_found")
	a.wantError("DELETE", path, "", 404, "event_not_found")
	a.wantError("PUT", path, `{"title":"x"}`, 404, "event_not_found")
}

func TestCatalogLists_Pages(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	for i := range 5 {
		testkit.NewVenue(t, a.pool, 1, 1)
		testkit.NewEvent(t, a.pool, fmt.Sprintf("Event %d", i))
	}
	for list, idField := range map[string]string{"venues": "venue_id", "events": "event_id"} {
		var ids []int64
		path, pages := "/"+list+"?limit=2", 0
		for {
			a.count.Reset()
			answer := a.call("GET", path, "", 200)
			if n := len(a.count.Statements()); n != 1 {
				t.Errorf("a page of %s took %d statements: %v", list, n, a.count.Statements())
			}
			pages++
			for _, item := range member[[]any](t, answer, list) {
				id, err := member[json.Number](t, item, idField).Int64()
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			if answer["next_cursor"] == nil {
				break
			}
			path = "/" + list + "?limit=2&cursor=" + member[string](t, answer, "next_cursor")
		}
		if pages != 3 || len(ids) != 5 || !slices.IsSorted(ids) {
			t.Errorf("%s: %d pages with %v, want 3 with 5 ids in order", list, pages, ids)
		}
		// A page that ends exactly at the end of the list has no next one.
		if next := a.call("GET", "/"+list+"?limit=5", "", 200)["next_cursor"]; next != nil {
			t.Errorf("%s: next_cursor %v behind the last page", list, next)
		}
		for _, bad := range []string{"0", "-1", "501", "x", ""} {
			a.wantError("GET", "/"+list+"?limit="+bad, "", 400, "invalid_parameter")
		}
		for _, bad := range []string{"x", "", "!!!!", "c2hvd3M6MQ"} {
			a.wantError("GET", "/"+list+"?cursor="+bad, "", 400, "invalid_cursor")
		}
	}
	venueCursor := member[string](t, a.call("GET", "/venues?limit=1", "", 200), "next_cursor")
	a.wantError("GET", "/events?cursor="+venueCursor, "", 400, "invalid_cursor")
}

func TestVenueSeats_AddAndDelete(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	venue := testkit.NewVenue(t, a.pool, 0, 0)
	path := fmt.Sprintf("/venues/%d", venue)

	diff(t, a.call("POST", path+"/seats", `{"seats":[
		{"seat_row":"AA","seat_number":1},{"seat_row":"B","seat_number":10},{"seat_row":"B","seat_number":9},
		{"seat_row":"B","seat_number":9},{"seat_row":"Ä","seat_number":2147483647}]}`, 201),
		`{"message":"Seats added successfully","added_count":4}`)
	show := testkit.NewShow(t, a.pool, testkit.Show{VenueID: venue})
	diff(t, a.call("POST", path+"/seats", `{"seats":[{"seat_row":"B","seat_number":9},{"seat_row":"A","seat_number":1}]}`, 201),
		`{"message":"Seats added successfully","added_count":1}`)
	a.call("POST", path+"/seats", `{"seats":[{"seat_row":"B","seat_number":9}]}`, 201)

	diff(t, a.call("GET", path, "", 200)["seats"], fmt.Sprintf(`[
		{%s},{%s},{%s},{%s},{%s}]`, plainSeat(venue, "A", 1), plainSeat(venue, "B", 9),
		plainSeat(venue, "B", 10), plainSeat(venue, "Ä", 2147483647), plainSeat(venue, "AA", 1)), "seat_id")
	if n := len(testkit.SeatIDs(t, a.pool, show)); n != 5 {
		t.Errorf("the show has %d seats, want 5", n)
	}

	// One seat in use keeps all of them.
	free := testkit.Value[int64](t, a.pool, `
		INSERT INTO seats (venue_id, seat_row, seat_number) VALUES ($1, 'Z', 1) RETURNING seat_id`, venue)
	both := `{"seats":[{"seat_row":"Z","seat_number":1},{"seat_row":"B","seat_number":10},{"seat_row":"B","seat_number":9}]}`
	refused := a.wantError("DELETE", path+"/seats", both, 409, "seats_in_use")
	diff(t, refused["conflicting_seats"], fmt.Sprintf(`[
		{%s},{%s}]`, plainSeat(venue, "B", 9), plainSeat(venue, "B", 10)), "seat_id")
	diff(t, a.call("DELETE", path+"/seats", `{"seats":[{"seat_row":"Z","seat_number":1},{"seat_row":"Q","seat_number":1}]}`, 200),
		fmt.Sprintf(`{"message":"Seats deleted successfully","deleted_count":1,
			"deleted_seats":[{"seat_id":%d,%s}]}`, free, plainSeat(venue, "Z", 1)))
	a.wantError("DELETE", path+"/seats", `{"seats":[{"seat_row":"Z","seat_number":1}]}`, 404, "seats_not_found")

	a.wantError("DELETE", path, "", 409, "venue_has_shows")
	testkit.Exec(t, a.pool, `DELETE FROM shows WHERE show_id = $1`, show)
	a.call("DELETE", path, "", 200)
}

func TestShowAdmin_CreateUpdateDelete(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	event, other := testkit.NewEvent(t, a.pool, "One"), testkit.NewEvent(t, a.pool, "Two")
	venue, larger := testkit.NewVenue(t, a.pool, 2, 5), testkit.NewVenue(t, a.pool, 3, 5)

	body := func(event, venue int64, start, end string) string {
		return fmt.Sprintf(`{"event_id":%d,"venue_id":%d,"start_time":"2030-05-01T%s","end_time":"2030-05-01T%s","price":380.5}`,
			event, venue, start, end)
	}
	created := a.call("POST", "/shows", body(event, venue, "18:00:00Z", "22:30:00.123456789+02:00"), 201)
	id := a.id(created, "show", "show_id")
	diff(t, created, fmt.Sprintf(`{"show":{"show_id":%d,"event_id":%d,"venue_id":%d,
		"start_time":"2030-05-01T18:00:00Z","end_time":"2030-05-01T20:30:00.123456Z","price":380.5}}`, id, event, venue), "created_at")
	a.wantSeats(id, 10)

	a.wantError("POST", "/shows", body(event, venue, "20:00:00Z", "21:00:00Z"), 409, "venue_busy")
	back := a.id(a.call("POST", "/shows", body(event, venue, "20:30:00.123456Z", "22:00:00Z"), 201), "show", "show_id")
	a.call("POST", "/shows", body(event, larger, "20:30:00Z", "22:00:00Z"), 201)
	a.wantError("POST", "/shows", body(999, larger, "10:00:00Z", "11:00:00Z"), 404, "event_not_found")
	a.wantError("POST", "/shows", body(event, 999, "10:00:00Z", "11:00:00Z"), 404, "venue_not_found")
	for _, end := range []string{"10:00:00Z", "09:00:00Z", "10:00:00.0000004Z", "11:00:00+02:00"} {
		refused := a.wantError("POST", "/shows", body(event, larger, "10:00:00Z", end), 400, "validation_failed")
		diff(t, refused["details"], `["end_time: must be after start_time"]`)
	}

	a.wantError("POST", "/shows", body(999, 999, "10:00:00Z", "10:00:00Z"), 400, "validation_failed")

	path := fmt.Sprintf("/shows/%d", id)
	diff(t, a.call("PUT", path, `{"price":0.01,"start_time":"2030-05-01T18:00:00.000000999Z"}`, 200), fmt.Sprintf(`{"show":{"show_id":%d,"event_id":%d,"venue_id":%d,
		"start_time":"2030-05-01T18:00:00Z","end_time":"2030-05-01T20:30:00.123456Z","price":0.01}}`, id, event, venue), "created_at")
	diff(t, a.call("PUT", path, fmt.Sprintf(`{"event_id":%d,"venue_id":%d,"start_time":"2030-05-01T17:00:00Z","end_time":"2030-05-01T18:00:00Z","price":450}`, other, larger), 200),
		fmt.Sprintf(`{"show":{"show_id":%d,"event_id":%d,"venue_id":%d,
		"start_time":"2030-05-01T17:00:00Z","end_time":"2030-05-01T18:00:00Z","price":450}}`, id, other, larger), "created_at")
	a.wantSeats(id, 15)
	a.wantError("PUT", path, `{"event_id":999}`, 404, "event_not_found")
	a.wantError("PUT", path, `{"venue_id":999}`, 404, "venue_not_found")
	a.wantError("PUT", path, `{"end_time":"2030-05-01T21:00:00Z"}`, 409, "venue_busy")
	for _, end := range []string{"17:00:00Z", "16:00:00Z", "17:00:00.0000009Z"} {
		refused := a.wantError("PUT", path, `{"end_time":"2030-05-01T`+end+`"}`, 400, "validation_failed")
		diff(t, refused["details"], `["end_time: must be after start_time"]`)
	}
	a.wantError("PUT", fmt.Sprintf("/shows/%d", back), fmt.Sprintf(`{"venue_id":%d}`, larger), 409, "venue_busy")

	diff(t, a.call("DELETE", path, "", 200), `{"message":"Show deleted successfully"}`)
	a.wantError("DELETE", path, "", 404, "show_not_found")
	a.wantError("PUT", path, `{"price":1}`, 404, "show_not_found")
	if n := testkit.Value[int](t, a.pool, `SELECT count(*) FROM show_seats WHERE show_id = $1`, id); n != 0 {
		t.Errorf("the deleted show left %d seats", n)
	}
}

// wantSeats holds that the show has n seats, all of its venue, and says so.
func (a *catalogAPI) wantSeats(show int64, n int) {
	a.t.Helper()
	got := testkit.Value[[]int](a.t, a.pool, `
		SELECT ARRAY[s.total_seats, count(*), count(*) FILTER (WHERE seats.venue_id = s.venue_id)]
		FROM shows s
		JOIN show_seats USING (show_id)
		JOIN seats USING (seat_id)
		WHERE show_id = $1
		GROUP BY show_id`, show)
	if d := cmp.Diff([]int{n, n, n}, got); d != "" {
		a.t.Fatalf("total_seats, seats, seats of the venue (-want +got):\n%s", d)
	}
}

func TestShowAdmin_TimesThatAreAMistake(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	event, venue := testkit.NewEvent(t, a.pool, "Event"), testkit.NewVenue(t, a.pool, 1, 2)
	now := testkit.Value[time.Time](t, a.pool, `SELECT now()`)
	at := func(d time.Duration) string { return now.Add(d).UTC().Format(time.RFC3339Nano) }
	const day = 24 * time.Hour
	create := func(start, end string) string {
		return fmt.Sprintf(`{"event_id":%d,"venue_id":%d,"start_time":%q,"end_time":%q,"price":1}`, event, venue, start, end)
	}
	const past, long = `["start_time: must not be in the past"]`, `["end_time: must be at most 7 days after start_time"]`
	diff(t, a.wantError("POST", "/shows", create(at(-time.Second), at(time.Hour)), 400, "validation_failed")["details"], past)
	diff(t, a.wantError("POST", "/shows", create(at(day), at(8*day+time.Second)), 400, "validation_failed")["details"], long)
	id := a.id(a.call("POST", "/shows", create(at(day), at(8*day)), 201), "show", "show_id")

	path := fmt.Sprintf("/shows/%d", id)
	diff(t, a.wantError("PUT", path, `{"start_time":"`+at(-time.Hour)+`"}`, 400, "validation_failed")["details"], past)
	diff(t, a.wantError("PUT", path, `{"start_time":"`+at(-time.Hour)+`","end_time":"`+at(time.Hour)+`"}`, 400, "validation_failed")["details"], past)
	diff(t, a.wantError("PUT", path, `{"end_time":"`+at(9*day)+`"}`, 400, "validation_failed")["details"], long)

	// A show that runs keeps its times, and can be changed otherwise, also by a client that sends all fields.
	testkit.Exec(t, a.pool, `UPDATE shows SET start_time = now() - interval '1 hour', end_time = now() + interval '9 days' WHERE show_id = $1`, id)
	running := a.call("PUT", path, `{"price":2}`, 200)["show"].(map[string]any)
	a.call("PUT", path, fmt.Sprintf(`{"event_id":%d,"venue_id":%d,"start_time":%q,"end_time":%q,"price":3}`,
		event, venue, running["start_time"], running["end_time"]), 200)
	a.call("PUT", path, `{"end_time":"`+at(2*day)+`"}`, 200)
}
