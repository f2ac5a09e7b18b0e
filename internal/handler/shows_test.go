package handler_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/testkit"
)

func TestShows_UpcomingSoonestFirst(t *testing.T) {
	s := setupReading(t)
	now := time.Now()
	later := testkit.NewShow(t, s.pool, testkit.Show{Start: now.Add(72 * time.Hour)})
	sooner := testkit.NewShow(t, s.pool, testkit.Show{Start: now.Add(time.Hour)})
	past := testkit.NewShow(t, s.pool, testkit.Show{Start: now.Add(-time.Minute)})
	deleted := testkit.NewShow(t, s.pool, testkit.Show{Start: now.Add(2 * time.Hour)})
	testkit.Exec(t, s.pool, `UPDATE shows SET deleted_at = now() WHERE show_id = $1`, deleted)

	got := read[showsBody](t, s.get("/shows"), http.StatusOK)
	if diff := cmp.Diff([]int64{sooner, later}, got.ids()); diff != "" {
		t.Errorf("shows (-want +got):\n%s", diff)
	}
	if got.NextCursor != nil {
		t.Errorf("next_cursor = %q at the end, want null", *got.NextCursor)
	}
	read[map[string]showBody](t, s.get(fmt.Sprint("/shows/", past)), http.StatusOK)
	for _, target := range []string{fmt.Sprint("/shows/", deleted), fmt.Sprint("/shows/", deleted, "/seats"), "/shows/999999"} {
		if e := read[errorBody](t, s.get(target), http.StatusNotFound); e.Code != "show_not_found" || e.Message != "Show not found" {
			t.Errorf("%s: %+v", target, e)
		}
	}
}

func TestShows_EmptyDatabaseIsAnEmptyList(t *testing.T) {
	s := setupReading(t)
	for _, target := range []string{"/shows", "/shows/search?venue=&event=&time_range=,&availability="} {
		got := read[json.RawMessage](t, s.get(target), http.StatusOK)
		if string(got) != `{"shows":[],"next_cursor":null}` {
			t.Errorf("%s: %s", target, got)
		}
	}
}

func TestShow_HasAllDocumentedFields(t *testing.T) {
	s := setupReading(t)
	event := testkit.NewEvent(t, s.pool, "Galactic Odyssey")
	venue := testkit.NewVenue(t, s.pool, 3, 5)
	start := time.Date(2099, 1, 31, 19, 30, 0, 0, time.FixedZone("", 7200))
	id := testkit.NewShow(t, s.pool, testkit.Show{EventID: event, VenueID: venue, Start: start, Price: "380.50"})
	testkit.Exec(t, s.pool, `UPDATE venues SET venue_name = 'Grand' WHERE venue_id = $1`, venue)
	testkit.Exec(t, s.pool, `UPDATE shows SET created_at = '2026-01-01T00:00:00.5Z' WHERE show_id = $1`, id)

	want := fmt.Sprintf(`{"show_id":%d,"event_id":%d,"venue_id":%d,"start_time":"2099-01-31T17:30:00Z",`+
		`"end_time":"2099-01-31T19:30:00Z","price":380.5,"created_at":"2026-01-01T00:00:00.5Z",`+
		`"event":{"event_id":%d,"title":"Galactic Odyssey"},`+
		`"venue":{"venue_id":%d,"venue_name":"Grand","address":"1 Test Street"},`+
		`"available_seats":15,"total_seats":15}`, id, event, venue, event, venue)
	got := read[map[string]json.RawMessage](t, s.get(fmt.Sprint("/shows/", id)), http.StatusOK)
	if diff := cmp.Diff(map[string]string{"show": want}, map[string]string{"show": string(got["show"])}); diff != "" {
		t.Errorf("show (-want +got):\n%s", diff)
	}
	listed := read[struct{ Shows []json.RawMessage }](t, s.get("/shows"), http.StatusOK)
	if diff := cmp.Diff(want, string(listed.Shows[0])); diff != "" {
		t.Errorf("in the list (-want +got):\n%s", diff)
	}
}

func TestShows_AvailableSeatsCountLiveBookingsOnly(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	show := testkit.NewShow(t, s.pool, testkit.Show{})
	other := testkit.NewShow(t, s.pool, testkit.Show{})
	seats := testkit.SeatIDs(t, s.pool, show)
	book(t, s.pool, user, show, domain.BookingConfirmed, seats[0], seats[1])
	book(t, s.pool, user, show, domain.BookingPending, seats[2])
	testkit.Expire(t, s.pool, book(t, s.pool, user, show, domain.BookingPending, seats[3], seats[4]))
	book(t, s.pool, user, show, domain.BookingCancelled, seats[5])
	book(t, s.pool, user, other, domain.BookingPending, testkit.SeatIDs(t, s.pool, other)...)

	for _, target := range []string{"/shows", "/shows/search?availability=available"} {
		for _, got := range read[showsBody](t, s.get(target), http.StatusOK).Shows {
			if got.ShowID == show && (got.AvailableSeats != 7 || got.TotalSeats != 10) {
				t.Errorf("%s: %+v, want 7 of 10", target, got)
			}
			if got.ShowID == other && (got.AvailableSeats != 0 || target != "/shows") {
				t.Errorf("%s: sold out: %+v", target, got)
			}
		}
	}
	if got := read[map[string]showBody](t, s.get(fmt.Sprint("/shows/", show)), http.StatusOK)["show"]; got.AvailableSeats != 7 {
		t.Errorf("show: %+v, want 7 available", got)
	}
}

// walk returns the ids of a list of shows, read page by page.
func (s reading) walk(target string, limit int) (ids []int64) {
	s.t.Helper()
	cursor := ""
	for range 100 {
		page := read[showsBody](s.t, s.get(fmt.Sprintf("%s&limit=%d%s", target, limit, cursor)), http.StatusOK)
		if len(page.Shows) > limit {
			s.t.Fatalf("%d shows on a page of %d", len(page.Shows), limit)
		}
		ids = append(ids, page.ids()...)
		if page.NextCursor == nil {
			return ids
		}
		if len(page.Shows) != limit {
			s.t.Errorf("a page of %d and more to come, want %d", len(page.Shows), limit)
		}
		cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
	}
	s.t.Fatal("the pages do not end")
	return nil
}

func TestShows_PagesHaveEveryShowOnce(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	tie := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	var all, available []int64
	for i := range 14 {
		start := tie // ties: the venues differ
		if i >= 9 {
			start = tie.Add(time.Duration(i) * time.Microsecond)
		}
		id := testkit.NewShow(t, s.pool, testkit.Show{Start: start})
		all = append(all, id)
		if i%3 == 0 {
			book(t, s.pool, user, id, domain.BookingConfirmed, testkit.SeatIDs(t, s.pool, id)...)
		} else {
			available = append(available, id)
		}
	}
	for _, limit := range []int{1, 2, 3, 7, 13, 14, 500} {
		if diff := cmp.Diff(all, s.walk("/shows?", limit)); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
		if diff := cmp.Diff(available, s.walk("/shows/search?availability=available", limit)); diff != "" {
			t.Errorf("available, limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestSearch_Filters(t *testing.T) {
	s := setupReading(t)
	base := time.Date(2090, 6, 1, 19, 0, 0, 0, time.UTC)
	add := func(title, venue string, start time.Time) int64 {
		v := testkit.NewVenue(t, s.pool, 1, 1)
		testkit.Exec(t, s.pool, `UPDATE venues SET venue_name = $2, name_folded = $3 WHERE venue_id = $1`, v, venue, domain.Fold(venue))
		return testkit.NewShow(t, s.pool, testkit.Show{EventID: testkit.NewEvent(t, s.pool, title), VenueID: v, Start: start})
	}
	add("Old News", "Museum", time.Date(2001, 6, 1, 19, 0, 0, 0, time.UTC))
	first := add("100% Magic_Show", `Back\slash Bar`, base)
	second := add("Żółć über alles", "Straße 7", base.Add(24*time.Hour))
	third := add("1000 Magic Shows", "Grand Hall", base.Add(48*time.Hour))

	for _, tt := range []struct {
		name  string
		query url.Values
		want  []int64
	}{
		{"nothing asked", url.Values{}, []int64{first, second, third}},
		{"unknown parameter", url.Values{"colour": {"red"}}, []int64{first, second, third}},
		{"part of the title", url.Values{"event": {"MAGIC"}}, []int64{first, third}},
		{"part of the venue", url.Values{"venue": {"grand h"}}, []int64{third}},
		{"both", url.Values{"event": {"magic"}, "venue": {"bar"}}, []int64{first}},
		{"both, disjoint", url.Values{"event": {"ż"}, "venue": {"bar"}}, []int64{}},
		{"percent is literal", url.Values{"event": {"100%"}}, []int64{first}},
		{"percent alone", url.Values{"event": {"%"}}, []int64{first}},
		{"underscore is literal", url.Values{"event": {"magic_"}}, []int64{first}},
		{"backslash is literal", url.Values{"venue": {`k\s`}}, []int64{first}},
		{"escaped percent is literal", url.Values{"event": {`\%`}}, []int64{}},
		{"quotes are literal", url.Values{"event": {`' OR 1=1 --`}}, []int64{}},
		{"case beyond ASCII", url.Values{"event": {"żÓŁĆ ÜBER"}}, []int64{second}},
		{"decomposed", url.Values{"event": {"z\u0307o\u0301"}}, []int64{second}},
		{"sharp s", url.Values{"venue": {"STRASSE"}}, []int64{second}},
		{"no bounds", url.Values{"time_range": {","}}, []int64{first, second, third}},
		{"both ends inclusive", url.Values{"time_range": {"2090-06-01T19:00:00Z,2090-06-02T19:00:00Z"}}, []int64{first, second}},
		{"just behind the start", url.Values{"time_range": {"2090-06-01T19:00:00.0000001Z,"}}, []int64{second, third}},
		{"just before the end", url.Values{"time_range": {",2090-06-02T18:59:59.999999Z"}}, []int64{first}},
		{"an offset", url.Values{"time_range": {"2090-06-02T21:00:00+02:00,"}}, []int64{second, third}},
		{"dates are whole days", url.Values{"time_range": {"2090-06-02,2090-06-03"}}, []int64{second, third}},
		{"end in the past alone", url.Values{"time_range": {",2002-01-01"}}, []int64{}},
		{"range in the past", url.Values{"time_range": {"2001-01-01,2001-12-31"}}, []int64{}},
		{"start in the past, open", url.Values{"time_range": {"0000-01-01T00:00:00Z,9999-12-31T23:59:59Z"}}, []int64{first, second, third}},
		{"all at once", url.Values{"event": {"magic"}, "venue": {"hall"}, "time_range": {"2090-06-03,"}, "availability": {"available"}}, []int64{third}},
	} {
		got := read[showsBody](t, s.get("/shows/search?"+tt.query.Encode()), http.StatusOK)
		if diff := cmp.Diff(tt.want, got.ids()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	got := read[showsBody](t, s.get("/shows/search?time_range=2090-06-02T21:00:00+02:00,"), http.StatusOK)
	if diff := cmp.Diff([]int64{second, third}, got.ids()); diff != "" {
		t.Errorf("an offset that was not escaped (-want +got):\n%s", diff)
	}
}

func TestShows_InvalidParametersAreRefused(t *testing.T) {
	s := setupReading(t)
	for range 2 { // a page and one more
		testkit.NewShow(t, s.pool, testkit.Show{})
	}
	next := *read[showsBody](t, s.get("/shows?limit=1"), http.StatusOK).NextCursor
	decoded, err := base64.RawURLEncoding.DecodeString(next)
	if err != nil {
		t.Fatal(err)
	}
	list, _, _ := strings.Cut(string(decoded), ":")
	cursor := func(key string) string { return "/shows?cursor=" + base64.RawURLEncoding.EncodeToString([]byte(key)) }
	for target, code := range map[string]string{
		"/shows/search?time_range=2090-01-01":                                "invalid_parameter",
		"/shows/search?time_range=yesterday,":                                "invalid_parameter",
		"/shows/search?time_range=,2090-13-01T00:00:00Z":                     "invalid_parameter",
		"/shows/search?time_range=2090-01-01,2090-01-02,2090-01-03":          "invalid_parameter",
		"/shows/search?time_range=2090-01-02T00:00:00Z,2090-01-01T00:00:00Z": "invalid_parameter",
		"/shows/search?time_range=2090-01-01T7:00:00Z,":                      "invalid_parameter",
		"/shows/search?availability=sold_out":                                "invalid_parameter",
		"/shows/search?availability=AVAILABLE":                               "invalid_parameter",
		"/shows/search?venue=%00":                                            "invalid_parameter",
		"/shows/search?event=a%0Ab":                                          "invalid_parameter",
		"/shows/search?event=%ff":                                            "invalid_parameter",
		"/shows/search?venue=%zz":                                            "invalid_parameter",
		"/shows/search?event=" + strings.Repeat("x", 256):                    "invalid_parameter",
		"/shows?limit=0":                                                     "invalid_parameter",
		"/shows?limit=501":                                                   "invalid_parameter",
		"/shows?limit=ten":                                                   "invalid_parameter",
		"/shows/0":                                                           "invalid_parameter",
		"/shows/-1/seats":                                                    "invalid_parameter",
		"/shows/9223372036854775808":                                         "invalid_parameter",
		"/shows?cursor=":                                                     "invalid_cursor",
		"/shows?cursor=%25%25":                                               "invalid_cursor",
		cursor(""):                                                           "invalid_cursor",
		cursor(list):                                                         "invalid_cursor",
		cursor(list + ":1"):                                                  "invalid_cursor",
		cursor(list + ":1:1:1"):                                              "invalid_cursor",
		cursor(list + ":1:x"):                                                "invalid_cursor",
		cursor(list + ":1:0"):                                                "invalid_cursor",
		cursor("bookings:1:1"):                                               "invalid_cursor",
		cursor(list + ":9223372036854775807:1"):                              "invalid_cursor",
		cursor(list + ":-9223372036854775808:1"):                             "invalid_cursor",
		cursor(list + ":9223372036854775808:1"):                              "invalid_cursor",
	} {
		response := s.get(target)
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", target, response.Status)
			continue
		}
		if e := read[errorBody](t, response, http.StatusBadRequest); e.Code != code || e.Message == "" {
			t.Errorf("%s: %+v, want %s", target, e, code)
		}
	}
}

func TestLists_TakeAsManyQueriesHoweverLong(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	for n := range 12 {
		show := testkit.NewShow(t, s.pool, testkit.Show{})
		book(t, s.pool, user, show, domain.BookingConfirmed, testkit.SeatIDs(t, s.pool, show)[:2]...)
		if n != 0 && n != 11 {
			continue
		}
		for _, target := range []string{"/shows", "/shows/search?venue=venue&availability=available",
			fmt.Sprint("/shows/", show), fmt.Sprint("/shows/", show, "/seats"), "/user/bookings", "/user/bookings?status=CONFIRMED"} {
			s.queries.Reset()
			read[json.RawMessage](t, s.getAs(user, target), http.StatusOK)
			want := 1
			if strings.HasSuffix(target, "/seats") || strings.HasPrefix(target, "/user/bookings") {
				want = 2 // the version of the seats, in the same round trip; the seats of the bookings
			}
			if got := s.queries.Statements(); len(got) != want {
				t.Errorf("%s of %d rows: %d queries, want %d: %q", target, n+1, len(got), want, got)
			}
		}
	}
}
