package handler_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestVenueSeats_SectionsLabelsAndFlags(t *testing.T) {
	t.Parallel()
	a := setupCatalog(t)
	venue := a.id(a.call("POST", "/venues", `{"venue_name":"Theatre","address":"1 Street"}`, http.StatusCreated), "venue", "venue_id")
	seats := fmt.Sprintf("/venues/%d/seats", venue)
	added := a.call("POST", seats, `{"seats":[
		{"section":"Stalls","seat_row":"A","seat_number":1,"seat_label":"1a","category":"Gold","x":10.5,"y":-2,"accessible":true,"seat_guid":"g-1"},
		{"section":"Balcony","seat_row":"A","seat_number":1,"companion":true,"restricted_view":true},
		{"seat_row":"A","seat_number":1,"category":null,"x":null,"seat_guid":null}]}`, http.StatusCreated)
	if fmt.Sprint(added["added_count"]) != "3" {
		t.Fatalf("added %v", added)
	}
	list := func() []any {
		t.Helper()
		list, _ := a.call("GET", fmt.Sprintf("/venues/%d", venue), "", http.StatusOK)["seats"].([]any)
		return list
	}
	field := func(at int, name string) string {
		t.Helper()
		seat, _ := list()[at].(map[string]any)
		return fmt.Sprint(seat[name])
	}
	for name, want := range map[string]string{
		"section": "Stalls", "seat_label": "1a", "category": "Gold", "x": "10.5", "y": "-2", "accessible": "true", "companion": "false", "seat_guid": "g-1",
	} {
		if got := field(0, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if field(1, "section") != "Balcony" || field(1, "seat_label") != "1" || field(1, "companion") != "true" || field(2, "section") != "" || field(2, "category") != "<nil>" {
		t.Errorf("seats %v", list())
	}

	a.wantError("POST", seats, `{"seats":[{"section":"Stalls","seat_row":"A","seat_number":2,"seat_label":"1a"}]}`, http.StatusConflict, "seat_conflict")
	changed := a.call("PUT", seats, `{"seats":[{"seat_guid":"g-1","category":null,"x":null,"accessible":false,"seat_label":"1"},{"seat_id":`+field(1, "seat_id")+`}]}`, http.StatusOK)
	if fmt.Sprint(changed["changed"]) != "1" || field(0, "category") != "<nil>" || field(0, "x") != "<nil>" || field(0, "y") != "-2" || field(0, "seat_label") != "1" {
		t.Errorf("changed %v: %v", changed["changed"], list())
	}
	a.wantError("PUT", seats, `{"seats":[{"seat_guid":"g-2","category":"x"}]}`, http.StatusNotFound, "seats_not_found")
	a.wantError("PUT", seats, `{"seats":[{"seat_id":`+field(1, "seat_id")+`,"seat_guid":"g-1"}]}`, http.StatusConflict, "seat_conflict")
	a.wantError("PUT", fmt.Sprintf("/venues/%d/seats", venue+1), `{"seats":[{"seat_guid":"g-1"}]}`, http.StatusNotFound, "venue_not_found")
	for body, want := range map[string]string{
		`{"seats":[{"category":"x"}]}`:                                             "seats[0].seat_id: is required, or seat_guid",
		`{"seats":[{"seat_guid":null}]}`:                                           "seats[0].seat_id: is required, or seat_guid",
		`{"seats":[{"seat_id":1,"category":""}]}`:                                  "seats[0].category: must have at least 1 characters",
		`{"seats":[{"seat_id":1,"x":1000001}]}`:                                    "seats[0].x: must be from -1000000 to 1000000",
		`{"seats":[{"seat_id":1,"seat_label":"12345678901234567"}]}`:               "seats[0].seat_label: must have at most 16 characters",
		`{"seats":[{"seat_id":1,"seat_guid":"` + strings.Repeat("g", 256) + `"}]}`: "seats[0].seat_guid: must have at most 255 characters",
	} {
		answer := a.wantError("PUT", seats, body, http.StatusBadRequest, "validation_failed")
		if details := fmt.Sprint(answer["details"]); !strings.Contains(details, want) {
			t.Errorf("%.60s: details %s, want %s", body, details, want)
		}
	}
	a.wantError("PUT", seats, `{"seats":[{"seat_id":1,"seat_row":"B"}]}`, http.StatusBadRequest, "unknown_field")
	deleted := a.call("DELETE", seats, `{"seats":[{"section":"Balcony","seat_row":"A","seat_number":1}]}`, http.StatusOK)
	if fmt.Sprint(deleted["deleted_count"]) != "1" || len(list()) != 2 {
		t.Errorf("deleted %v, left %v", deleted, list())
	}
}

// plainSeat is a seat in JSON, without its id and the braces, of which no more is known than its place.
func plainSeat(venue int64, row string, number int) string {
	return fmt.Sprintf(`"venue_id":%d,"section":"","seat_row":%q,"seat_number":%d,"seat_label":"%[3]d","category":null,"x":null,"y":null,`+
		`"accessible":false,"companion":false,"restricted_view":false,"seat_guid":null`, venue, row, number)
}
