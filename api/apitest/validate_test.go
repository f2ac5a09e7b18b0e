package apitest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

const (
	goodShow = `{"show":{"show_id":1,"event_id":1,"venue_id":1,"start_time":"2030-10-02T18:00:00Z",` +
		`"end_time":"2030-10-02T20:30:00Z","price":450.5,"created_at":"2030-10-01T08:00:00.123456Z",` +
		`"event":{"event_id":1,"title":"Galactic Odyssey"},` +
		`"venue":{"venue_id":1,"venue_name":"Grand Cinema Hall","address":"1 Market Square"},` +
		`"available_seats":13,"total_seats":15}}`
	goodLock = `{"message":"Seats locked successfully","booking_id":1,"locked_seats":[{"seat_id":3,` +
		`"venue_id":1,"section":"","seat_row":"A","seat_number":3,"seat_label":"3","category":null,"x":null,"y":null,` +
		`"accessible":false,"companion":false,"restricted_view":false,"seat_guid":null,"price":450}],"expires_in":600,"expires_at":"2030-10-01T09:30:00Z","amount":450,"booking":` + bookingJSON + `}`
)

func errorJSON(code, more string) string {
	return `{"message":"No","code":"` + code + `","request_id":"r1"` + more + `}`
}

func TestValidateResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		method, url string
		reqBody     string
		status      int
		header      map[string]string // "" removes one
		body        string
		want        string // part of the fault; empty for none
	}{
		{name: "a good answer", method: "GET", url: "/api/v1/shows/1", status: 200, body: goodShow},
		{name: "a charset is no other type", method: "GET", url: "/api/v1/shows/1", status: 200, body: goodShow,
			header: map[string]string{"Content-Type": "application/json"}},
		{name: "a field too many", method: "GET", url: "/api/v1/shows/1", status: 200,
			body: strings.Replace(goodShow, `"total_seats"`, `"booking_id":1,"total_seats"`, 1), want: "booking_id"},
		{name: "a field too few", method: "GET", url: "/api/v1/shows/1", status: 200,
			body: strings.Replace(goodShow, `"available_seats":13,`, ``, 1), want: "available_seats"},
		{name: "money with three decimals", method: "GET", url: "/api/v1/shows/1", status: 200,
			body: strings.Replace(goodShow, "450.5", "450.125", 1), want: "two decimals"},
		{name: "money as a string", method: "GET", url: "/api/v1/shows/1", status: 200,
			body: strings.Replace(goodShow, "450.5", `"450.5"`, 1), want: "price"},
		{name: "a time that is not UTC", method: "GET", url: "/api/v1/shows/1", status: 200,
			body: strings.Replace(goodShow, "18:00:00Z", "18:00:00+02:00", 1), want: "start_time"},
		{name: "no X-Request-ID", method: "GET", url: "/api/v1/shows/1", status: 200, body: goodShow,
			header: map[string]string{"X-Request-ID": ""}, want: "X-Request-ID"},
		{name: "another Content-Type", method: "GET", url: "/api/v1/shows/1", status: 200, body: goodShow,
			header: map[string]string{"Content-Type": "text/plain"}, want: "text/plain"},
		{name: "an undocumented status", method: "GET", url: "/api/v1/shows/1", status: 409,
			body: errorJSON("show_started", ""), want: "not in the document"},

		{name: "a seat map that is still good", method: "GET", url: "/api/v1/shows/1/seats", status: 304,
			header: map[string]string{"ETag": `"x"`}},
		{name: "a 304 without its ETag", method: "GET", url: "/api/v1/shows/1/seats", status: 304, want: "ETag"},
		{name: "a 304 with a body", method: "GET", url: "/api/v1/shows/1/seats", status: 304, body: "{}",
			header: map[string]string{"ETag": `"x"`}, want: "body"},
		{name: "an undocumented 304", method: "GET", url: "/api/v1/shows/1", status: 304, want: "not in the document"},

		{name: "an accepted request", method: "POST", url: "/api/v1/bookings/lock", reqBody: `{"show_id":1,"seat_ids":[3]}`,
			status: 200, body: goodLock},
		{name: "an accepted request that the document refuses", method: "POST", url: "/api/v1/bookings/lock",
			reqBody: `{"show_id":1,"seat_ids":[3],"extra":1}`, status: 200, body: goodLock, want: "refuses"},
		{name: "an empty filter", method: "GET", url: "/api/v1/shows/search?venue=&event=&time_range=&availability=",
			status: 200, body: `{"shows":[],"next_cursor":null}`},
		{name: "an accepted filter that the document refuses", method: "GET",
			url: "/api/v1/shows/search?availability=sold", status: 200, body: `{"shows":[],"next_cursor":null}`, want: "refuses"},
		{name: "an optional body left out", method: "POST", url: "/api/v1/bookings/1/confirm", status: 200,
			body: `{"message":"Booking confirmed successfully","booking_id":1,"confirmed_seats":[],"booking":` + bookingJSON + `}`},

		{name: "a good error", method: "GET", url: "/api/v1/shows/9", status: 404, body: errorJSON("show_not_found", "")},
		{name: "an error with its seats", method: "POST", url: "/api/v1/bookings/lock", status: 409,
			body: errorJSON("seats_unavailable", `,"failed_seats":[3]`)},
		{name: "an error without its seats", method: "POST", url: "/api/v1/bookings/lock", status: 409,
			body: errorJSON("seats_unavailable", ""), want: "schema"},
		{name: "an error with the seats of another", method: "POST", url: "/api/v1/bookings/lock", status: 409,
			body: errorJSON("show_started", `,"failed_seats":[3]`), want: "schema"},
		{name: "an unexpected code", method: "GET", url: "/api/v1/shows/9", status: 404,
			body: errorJSON("venue_not_found", ""), want: "venue_not_found"},
		{name: "an error of another request", method: "GET", url: "/api/v1/shows/9", status: 404,
			body: strings.Replace(errorJSON("show_not_found", ""), `"r1"`, `"r2"`, 1), want: "r2"},
		{name: "the replay of another request's error", method: "POST", url: "/api/v1/bookings/1/cancel", status: 404,
			header: map[string]string{"Idempotency-Replayed": "true"},
			body:   strings.Replace(errorJSON("booking_not_found", ""), `"r1"`, `"r2"`, 1)},
		{name: "a RateLimit header that is no number", method: "GET", url: "/api/v1/shows/1", status: 200, body: goodShow,
			header: map[string]string{"RateLimit-Remaining": "many"}, want: "RateLimit-Remaining"},
		{name: "a 401 without WWW-Authenticate", method: "GET", url: "/api/v1/user/bookings", status: 401,
			body: errorJSON("unauthorized", ""), want: "WWW-Authenticate"},
		{name: "a 503 without Retry-After", method: "GET", url: "/api/v1/shows", status: 503,
			body: errorJSON("database_unavailable", ""), want: "Retry-After"},
		{name: "a health document", method: "GET", url: "/health/ready", status: 503, body: `{"status":"DRAINING"}`,
			header: map[string]string{"Retry-After": "1"}},

		{name: "no such route", method: "GET", url: "/api/v1/nothing", status: 404, body: errorJSON("route_not_found", "")},
		{name: "a route that the document does not have", method: "GET", url: "/api/v1/nothing", status: 200, body: "{}",
			want: "no such route"},
		{name: "no such method", method: "DELETE", url: "/api/v1/shows", status: 405, body: errorJSON("method_not_allowed", ""),
			header: map[string]string{"Allow": "GET"}},
		{name: "no such method, and no word of the others", method: "DELETE", url: "/api/v1/shows", status: 405,
			body: errorJSON("method_not_allowed", ""), want: "Allow"},
		{name: "no such method, answered as no such route", method: "DELETE", url: "/api/v1/shows", status: 404,
			body: errorJSON("route_not_found", ""), want: "405"},
		{name: "the router's own text", method: "GET", url: "/api/v1/nothing", status: 404, body: "404 page not found\n",
			header: map[string]string{"Content-Type": "text/plain"}, want: "text/plain"},
		{name: "the router's error without a code", method: "GET", url: "/api/v1/nothing", status: 404,
			body: `{"message":"No","request_id":"r1"}`, want: "code"},
		{name: "the router's error with another code", method: "GET", url: "/api/v1/nothing", status: 404,
			body: errorJSON("show_not_found", ""), want: "show_not_found"},
		{name: "the method decides between two paths", method: "GET", url: "/api/v1/bookings/lock", status: 400,
			body: errorJSON("invalid_parameter", `,"details":["booking_id: no"]`)},

		{name: "a page", method: "GET", url: "/api-docs/", status: 200, body: "<!DOCTYPE html>",
			header: map[string]string{"Content-Type": "text/html; charset=utf-8", "ETag": `"x"`}},
		{name: "no such file of the documentation", method: "GET", url: "/api-docs/nope", status: 404, body: errorJSON("route_not_found", "")},
		{name: "a refusal of the documentation in another shape", method: "GET", url: "/api-docs/nope", status: 404, body: "nope",
			want: "read the error"},

		{name: "a stream", method: "GET", url: "/api/v1/waiting-room/1/events", status: 200,
			header: map[string]string{"Content-Type": "text/event-stream"},
			body: ": hello\n\nretry: 1000\nevent: status\nid: 1\ndata: " + `{"show_id":1,"status":"none","token":null,"position":null,"users_ahead":null,` +
				`"estimated_wait_seconds":null,"refresh_interval_seconds":5,"admitted_until":null}` + "\n\n"},
		{name: "a stream of something else", method: "GET", url: "/api/v1/waiting-room/1/events", status: 200,
			header: map[string]string{"Content-Type": "text/event-stream"}, body: "data: {\"show_id\":1}\n\n", want: "event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			req := httptest.NewRequest(c.method, c.url, nil)
			if c.reqBody != "" {
				req.Header.Set("Content-Type", "application/json")
			}
			resp := &http.Response{StatusCode: c.status, Header: http.Header{}}
			resp.Header.Set("X-Request-ID", "r1")
			resp.Header.Set("Content-Type", "application/json; charset=utf-8")
			for name, value := range c.header {
				resp.Header.Set(name, value)
			}
			err := check(req, []byte(c.reqBody), resp, []byte(c.body))
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && err == nil:
				t.Errorf("passed; want a fault about %q", c.want)
			case c.want != "" && !strings.Contains(err.Error(), c.want):
				t.Errorf("fault %q; want one about %q", err, c.want)
			}
		})
	}
}

// bookingJSON is a booking as the document has it.
const bookingJSON = `{"booking_id":1,"user_id":1,"show_id":1,"status":"CONFIRMED","cancel_reason":null,"amount":450,
	"created_at":"2030-01-01T00:00:00Z","expires_at":"2030-01-01T00:10:00Z","expires_in":null,"paid_at":"2030-01-01T00:01:00Z",
	"payment":{"transaction_id":"t","status":"succeeded","amount":450,"paid_at":"2030-01-01T00:01:00Z","refunded_at":null},
	"show":{"show_id":1,"event_id":1,"venue_id":1,"start_time":"2030-01-02T00:00:00Z","end_time":"2030-01-02T02:00:00Z","price":450,
	"created_at":"2030-01-01T00:00:00Z","event":{"event_id":1,"title":"E"},"venue":{"venue_id":1,"venue_name":"V","address":"A"},
	"available_seats":0,"total_seats":1},"seats":[]}`

// recorder is a testing.TB that only notes whether the test would have failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Helper()               {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestValidateResponseFailsTheTest(t *testing.T) {
	t.Parallel()
	resp := &http.Response{StatusCode: http.StatusTeapot, Header: http.Header{}}
	r := &recorder{TB: t}
	ValidateResponse(r, httptest.NewRequest(http.MethodGet, "/api/v1/shows", nil), nil, resp, nil)
	if !r.failed {
		t.Error("an undocumented status did not fail the test")
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	routes := Routes()
	for _, want := range []string{
		"GET /", "GET /api/v1/shows/{show_id}/seats", "POST /api/v1/bookings/lock", "DELETE /api/v1/admin/venues/{venue_id}/seats",
		"GET /health/schema",
	} {
		if !slices.Contains(routes, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if slices.ContainsFunc(routes, func(route string) bool { return strings.Contains(route, "/api-docs") }) {
		t.Error("the documentation has operations")
	}
	if !slices.IsSorted(routes) {
		t.Error("the routes are not sorted")
	}
}
