package handler_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"evently/internal/testkit"
)

func TestCatalog_InvalidInputChangesNothing(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	show := testkit.NewShow(t, a.pool, testkit.Show{})
	showPath := fmt.Sprintf("/shows/%d", show)
	venuePath := fmt.Sprintf("/venues/%d", testkit.NewVenue(t, a.pool, 1, 1))
	eventPath := fmt.Sprintf("/events/%d", testkit.NewEvent(t, a.pool, "Event"))
	state := func() string {
		return testkit.Value[string](t, a.pool, `
			SELECT concat((SELECT json_agg(v) FROM venues v), (SELECT json_agg(s) FROM seats s),
			              (SELECT json_agg(e) FROM events e), (SELECT json_agg(s) FROM shows s))`)
	}
	before := state()

	const day = `"start_time":"2030-05-01T18:00:00Z","end_time":"2030-05-01T20:00:00Z"`
	seat := func(s string) string { return `{"seats":[{"seat_row":"A","seat_number":1},` + s + `]}` }
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		request, body, code, detail string
	}{
		"no body":                {"POST /venues", ``, "invalid_json", ""},
		"not JSON":               {"POST /venues", `{`, "invalid_json", ""},
		"unknown field":          {"POST /venues", `{"venue_name":"x","address":"y","id":1}`, "unknown_field", "id:"},
		"no name, no address":    {"POST /venues", `{}`, "validation_failed", "venue_name: is required"},
		"blank name":             {"POST /venues", `{"venue_name":" ","address":"y"}`, "validation_failed", "venue_name:"},
		"long name":              {"POST /venues", `{"venue_name":"` + long + `","address":"y"}`, "validation_failed", "venue_name:"},
		"NUL in address":         {"POST /venues", `{"venue_name":"x","address":"a\u0000b"}`, "validation_failed", "address:"},
		"number for a name":      {"POST /venues", `{"venue_name":5,"address":"y"}`, "validation_failed", "venue_name:"},
		"nothing to change":      {"PUT " + venuePath, `{}`, "validation_failed", "at least one field"},
		"null changes nothing":   {"PUT " + venuePath, `{"venue_name":null}`, "validation_failed", "at least one field"},
		"empty name":             {"PUT " + venuePath, `{"venue_name":""}`, "validation_failed", "venue_name:"},
		"blank address":          {"PUT " + venuePath, `{"address":"\n"}`, "validation_failed", "address:"},
		"venue 0":                {"PUT /venues/0", `{"address":"y"}`, "invalid_parameter", "id:"},
		"venue -1":               {"DELETE /venues/-1", ``, "invalid_parameter", "id:"},
		"venue 2^63":             {"GET /venues/9223372036854775808", ``, "invalid_parameter", "id:"},
		"unknown field of seat":  {"POST " + venuePath + "/seats", seat(`{"seat_row":"A","seat_number":2,"price":5}`), "unknown_field", "seats[1].price:"},
		"row with zero width":    {"POST " + venuePath + "/seats", seat(`{"seat_row":"A\u200b","seat_number":1}`), "validation_failed", "seats[1].seat_row:"},
		"row with a joiner":      {"POST " + venuePath + "/seats", seat(`{"seat_row":"A\u200dB","seat_number":1}`), "validation_failed", "seats[1].seat_row:"},
		"invisible title":        {"POST /events", `{"title":"\u200b"}`, "validation_failed", "title:"},
		"filler as title":        {"PUT " + eventPath, `{"title":"\u3164"}`, "validation_failed", "title:"},
		"direction in a name":    {"PUT " + venuePath, `{"venue_name":"Hall \u202e1"}`, "validation_failed", "venue_name:"},
		"line break in a name":   {"PUT " + venuePath, `{"venue_name":"Hall\n1"}`, "validation_failed", "venue_name:"},
		"no seats":               {"POST " + venuePath + "/seats", `{}`, "validation_failed", "seats:"},
		"empty seats":            {"POST " + venuePath + "/seats", `{"seats":[]}`, "validation_failed", "seats:"},
		"seats are no list":      {"POST " + venuePath + "/seats", `{"seats":{}}`, "validation_failed", "seats:"},
		"long row":               {"POST " + venuePath + "/seats", seat(`{"seat_row":"ABCDEFGHIJKLMNOPQ","seat_number":1}`), "validation_failed", "seats[1].seat_row:"},
		"blank row":              {"DELETE " + venuePath + "/seats", seat(`{"seat_row":" ","seat_number":1}`), "validation_failed", "seats[1].seat_row:"},
		"seat 0":                 {"POST " + venuePath + "/seats", seat(`{"seat_row":"A","seat_number":0}`), "validation_failed", "seats[1].seat_number:"},
		"no number":              {"DELETE " + venuePath + "/seats", seat(`{"seat_row":"A"}`), "validation_failed", "seats[1].seat_number:"},
		"seat 2^31":              {"POST " + venuePath + "/seats", seat(`{"seat_row":"A","seat_number":2147483648}`), "validation_failed", "seats[1].seat_number:"},
		"half a seat":            {"POST " + venuePath + "/seats", seat(`{"seat_row":"A","seat_number":1.5}`), "validation_failed", "seats[1].seat_number:"},
		"seats of venue 0":       {"POST /venues/0/seats", `{}`, "invalid_parameter", "id:"},
		"seats to go of venue x": {"DELETE /venues/x/seats", `{}`, "invalid_parameter", "id:"},
		"no title":               {"POST /events", `{}`, "validation_failed", "title: is required"},
		"long title":             {"PUT " + eventPath, `{"title":"` + long + `"}`, "validation_failed", "title:"},
		"no new title":           {"PUT " + eventPath, `{}`, "validation_failed", "at least one field"},
		"null title":             {"PUT " + eventPath, `{"title":null}`, "validation_failed", "at least one field"},
		"event 0":                {"GET /events/0", ``, "invalid_parameter", "id:"},
		"event -5":               {"DELETE /events/-5", ``, "invalid_parameter", "id:"},
		"event x":                {"PUT /events/x", `{"title":"x"}`, "invalid_parameter", "id:"},
		"empty show":             {"POST /shows", `{}`, "validation_failed", "start_time: is required"},
		"null start":             {"POST /shows", `{"start_time":null}`, "validation_failed", "start_time: is required"},
		"show of event 0":        {"POST /shows", `{"event_id":0,"venue_id":1,"price":1,` + day + `}`, "validation_failed", "event_id:"},
		"free show":              {"POST /shows", `{"event_id":1,"venue_id":1,"price":0,` + day + `}`, "validation_failed", "price:"},
		"price below 0":          {"POST /shows", `{"event_id":1,"venue_id":1,"price":-5,` + day + `}`, "validation_failed", "price:"},
		"three decimals":         {"POST /shows", `{"event_id":1,"venue_id":1,"price":1.005,` + day + `}`, "validation_failed", "price:"},
		"price as text":          {"POST /shows", `{"event_id":1,"venue_id":1,"price":"5",` + day + `}`, "validation_failed", "price:"},
		"price too high":         {"POST /shows", `{"event_id":1,"venue_id":1,"price":100000000,` + day + `}`, "validation_failed", "price:"},
		"start is a number":      {"PUT " + showPath, `{"start_time":1900000000}`, "validation_failed", "start_time:"},
		"start has no zone":      {"PUT " + showPath, `{"start_time":"2030-05-01T18:00:00"}`, "validation_failed", "start_time:"},
		"start hour of 1 digit":  {"PUT " + showPath, `{"start_time":"2030-05-01T8:00:00Z"}`, "validation_failed", "start_time:"},
		"start with a comma":     {"PUT " + showPath, `{"start_time":"2030-05-01T08:00:00,5Z"}`, "validation_failed", "start_time:"},
		"start is a date":        {"PUT " + showPath, `{"start_time":"2030-05-01"}`, "validation_failed", "start_time:"},
		"start is an object":     {"PUT " + showPath, `{"start_time":{}}`, "validation_failed", "start_time:"},
		"end in 9999":            {"PUT " + showPath, `{"end_time":"9999-05-01T18:00:00Z"}`, "validation_failed", "end_time:"},
		"start in year 0":        {"PUT " + showPath, `{"start_time":"0000-05-01T18:00:00Z"}`, "validation_failed", "start_time:"},
		"no change of show":      {"PUT " + showPath, `{}`, "validation_failed", "at least one field"},
		"null change of show":    {"PUT " + showPath, `{"price":null,"start_time":null}`, "validation_failed", "at least one field"},
		"venue 0 for show":       {"PUT " + showPath, `{"venue_id":0}`, "validation_failed", "venue_id:"},
		"new price 0":            {"PUT " + showPath, `{"price":0.00}`, "validation_failed", "price:"},
		"show 0":                 {"PUT /shows/0", `{"price":1}`, "invalid_parameter", "id:"},
		"show x":                 {"DELETE /shows/x", ``, "invalid_parameter", "id:"},
		"0 days":                 {"GET /analytics?days=0", ``, "invalid_parameter", "days:"},
		"366 days":               {"GET /analytics?days=366", ``, "invalid_parameter", "days:"},
		"no number of days":      {"GET /analytics?days=", ``, "invalid_parameter", "days:"},
		"half a day":             {"GET /analytics?days=0.5", ``, "invalid_parameter", "days:"},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			response := a.with(t).wantError(method, path, c.body, 400, c.code)
			if details := fmt.Sprint(response["details"]); !strings.Contains(details, c.detail) {
				t.Errorf("details %s, want %q", details, c.detail)
			}
		})
	}

	big := strings.Repeat(" ", 64<<10)
	for _, request := range []string{"POST /venues", "PUT " + venuePath, "POST /events", "PUT " + eventPath, "POST /shows", "PUT " + showPath} {
		method, path, _ := strings.Cut(request, " ")
		a.wantError(method, path, `{}`+big, 413, "body_too_large")
	}
	for _, method := range []string{"POST", "DELETE"} {
		a.wantError(method, venuePath+"/seats", `{}`+big, 400, "validation_failed")
		a.wantError(method, venuePath+"/seats", `{}`+strings.Repeat(big, 16), 413, "body_too_large")
		many := strings.Repeat(`{"seat_row":"A","seat_number":1},`, 10_000)
		a.wantError(method, venuePath+"/seats", seat(strings.TrimSuffix(many, ",")), 400, "validation_failed")
	}
	request := httptest.NewRequestWithContext(t.Context(), "POST", "/events", strings.NewReader(`{"title":"x"}`))
	request.Header.Set("Content-Type", "text/plain")
	recorder := httptest.NewRecorder()
	a.router.ServeHTTP(recorder, request)
	if recorder.Code != 415 {
		t.Errorf("text/plain: status %d, want 415", recorder.Code)
	}

	if after := state(); after != before {
		t.Errorf("invalid requests changed the database:\n%s\n%s", before, after)
	}
}

func TestCatalog_TextsAreStoredTrimmedAndInNFC(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	const given, stored = ` Cafe\u0301 `, "Caf\u00e9"
	venue := a.call("POST", "/venues", `{"venue_name":"`+given+`","address":" 1 Rue\nCafe\u0301\t"}`, 201)
	if got := member[map[string]any](t, venue, "venue"); got["venue_name"] != stored || got["address"] != "1 Rue\n"+stored {
		t.Errorf("venue %+q", got)
	}
	event := a.call("POST", "/events", `{"title":"`+given+`"}`, 201)
	if got := member[map[string]any](t, event, "event"); got["title"] != stored {
		t.Errorf("event %+q", got)
	}
	seats := fmt.Sprintf("/venues/%d/seats", a.id(venue, "venue", "venue_id"))
	row := func(spelling string) string { return `{"seats":[{"seat_row":"` + spelling + `","seat_number":1}]}` }
	for spelling, added := range map[string]string{"E\\u0301": "1", "fifteen letters": "1"} {
		if got := a.call("POST", seats, row(spelling), 201)["added_count"]; fmt.Sprint(got) != added {
			t.Errorf("row %s: %v seats added, want %s", spelling, got, added)
		}
	}
	for _, spelling := range []string{"\u00c9", "\u00c9 ", `\tE\u0301\n`, " fifteen letters"} {
		if got := a.call("POST", seats, row(spelling), 201)["added_count"]; fmt.Sprint(got) != "0" {
			t.Errorf("row %q is another row", spelling)
		}
	}
	if got := a.call("DELETE", seats, row(" E\u0301"), 200)["deleted_count"]; fmt.Sprint(got) != "1" {
		t.Errorf("%v seats deleted, want 1", got)
	}
}
