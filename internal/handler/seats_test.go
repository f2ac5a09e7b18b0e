package handler_test

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/testkit"
)

type seatBody struct {
	SeatID     int64  `json:"seat_id"`
	VenueID    int64  `json:"venue_id"`
	SeatRow    string `json:"seat_row"`
	SeatNumber int    `json:"seat_number"`
	Status     string `json:"status"`
}

type seatsBody struct {
	Seats []seatBody `json:"seats"`
}

func TestSeats_SortedByRowThenNumber(t *testing.T) {
	s := setupReading(t)
	venue := testkit.NewVenue(t, s.pool, 0, 0)
	testkit.Exec(t, s.pool, `
		INSERT INTO seats (venue_id, seat_row, seat_number)
		VALUES ($1, 'AA', 1), ($1, 'Z', 10), ($1, 'Z', 9), ($1, 'b', 1), ($1, 'B', 100), ($1, 'B', 20), ($1, 'A', 3), ($1, 'AN', 2)`, venue)
	show := testkit.NewShow(t, s.pool, testkit.Show{VenueID: venue})

	var got []string
	for _, seat := range read[seatsBody](t, s.get(fmt.Sprint("/shows/", show, "/seats")), http.StatusOK).Seats {
		got = append(got, fmt.Sprint(seat.SeatRow, "-", seat.SeatNumber, " ", seat.Status))
		if seat.VenueID != venue || seat.SeatID == 0 {
			t.Errorf("%+v", seat)
		}
	}
	want := []string{"A-3 AVAILABLE", "B-20 AVAILABLE", "B-100 AVAILABLE", "Z-9 AVAILABLE", "Z-10 AVAILABLE", "b-1 AVAILABLE", "AA-1 AVAILABLE", "AN-2 AVAILABLE"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seats (-want +got):\n%s", diff)
	}
}

func TestSeats_ShowWithoutSeatsIsAnEmptyList(t *testing.T) {
	s := setupReading(t)
	show := testkit.NewShow(t, s.pool, testkit.Show{VenueID: testkit.NewVenue(t, s.pool, 0, 0)})
	got := read[json.RawMessage](t, s.get(fmt.Sprint("/shows/", show, "/seats")), http.StatusOK)
	if string(got) != `{"seats":[]}` {
		t.Errorf("seats = %s", got)
	}
}

func TestSeats_StatusFollowsLiveBookings(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	show := testkit.NewShow(t, s.pool, testkit.Show{VenueID: testkit.NewVenue(t, s.pool, 1, 4)})
	seats := testkit.SeatIDs(t, s.pool, show)
	book(t, s.pool, user, show, domain.BookingConfirmed, seats[0])
	held := book(t, s.pool, user, show, domain.BookingPending, seats[1])
	// A confirmed booking does not expire.
	testkit.Exec(t, s.pool, `UPDATE bookings SET expires_at = now() - interval '1 day' WHERE status = 'CONFIRMED'`)
	testkit.Expire(t, s.pool, book(t, s.pool, user, show, domain.BookingPending, seats[2]))

	statuses := func() (got []string) {
		for _, seat := range read[seatsBody](t, s.get(fmt.Sprint("/shows/", show, "/seats")), http.StatusOK).Seats {
			got = append(got, seat.Status)
		}
		return got
	}
	if diff := cmp.Diff([]string{"BOOKED", "LOCKED", "AVAILABLE", "AVAILABLE"}, statuses()); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
	testkit.Expire(t, s.pool, held)
	if diff := cmp.Diff([]string{"BOOKED", "AVAILABLE", "AVAILABLE", "AVAILABLE"}, statuses()); diff != "" {
		t.Errorf("statuses after the hold (-want +got):\n%s", diff)
	}
}

func TestSeats_MatchingETagIsNotModified(t *testing.T) {
	s := setupReading(t)
	show := testkit.NewShow(t, s.pool, testkit.Show{})
	target := fmt.Sprint("/shows/", show, "/seats")
	first := s.get(target)
	tag := first.Header.Get("ETag")
	if tag == "" || first.Header.Get("Vary") != "Accept-Encoding" || first.Header.Get("Cache-Control") != "no-cache" {
		t.Fatalf("headers: %v", first.Header)
	}

	for _, ifNoneMatch := range []string{tag, tag[len("W/"):], `"a,b", ` + tag, "*"} {
		response := s.get(target, "If-None-Match", ifNoneMatch, "Accept-Encoding", "gzip")
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != http.StatusNotModified || len(body) != 0 || response.Header.Get("ETag") != tag ||
			response.Header.Get("Vary") != "Accept-Encoding" || response.Header.Get("Content-Encoding") != "" {
			t.Errorf("If-None-Match %s: %d %v %q", ifNoneMatch, response.StatusCode, response.Header, body)
		}
	}
	book(t, s.pool, testkit.NewUser(t, s.pool), show, domain.BookingPending, testkit.SeatIDs(t, s.pool, show)[0])
	changed := s.get(target, "If-None-Match", tag)
	if changed.StatusCode != http.StatusOK || changed.Header.Get("ETag") == tag {
		t.Errorf("after a change: %d %v", changed.StatusCode, changed.Header)
	}
}

func TestSeats_GzipIfAccepted(t *testing.T) {
	s := setupReading(t)
	target := fmt.Sprint("/shows/", testkit.NewShow(t, s.pool, testkit.Show{VenueID: testkit.NewVenue(t, s.pool, 26, 50)}), "/seats")
	plain := s.get(target)
	want := read[seatsBody](t, plain, http.StatusOK)

	compressed := s.get(target, "Accept-Encoding", "br, gzip")
	if got := compressed.Header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding = %q", got)
	}
	if compressed.Header.Get("Content-Type") != "application/json; charset=utf-8" || compressed.ContentLength > plain.ContentLength/5 {
		t.Errorf("headers: %v; plain is %d bytes", compressed.Header, plain.ContentLength)
	}
	z, err := gzip.NewReader(compressed.Body)
	if err != nil {
		t.Fatal(err)
	}
	compressed.Body = io.NopCloser(z)
	if diff := cmp.Diff(want, read[seatsBody](t, compressed, http.StatusOK)); diff != "" {
		t.Errorf("compressed (-want +got):\n%s", diff)
	}
	if refused := s.get(target, "Accept-Encoding", "gzip;q=0"); refused.Header.Get("Content-Encoding") != "" {
		t.Errorf("gzip although it is refused: %v", refused.Header)
	}
}
