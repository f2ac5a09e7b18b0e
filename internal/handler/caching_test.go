package handler_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/testkit"
)

func TestShows_AskTheStoreOncePerMaxAgeWhileBookingsGoOn(t *testing.T) {
	const maxAge = 200 * time.Millisecond
	clock := testkit.NewClock(time.Now())
	s := setupCached(t, maxAge, clock.Now)
	user := testkit.NewUser(t, s.pool)
	show := testkit.NewShow(t, s.pool, testkit.Show{})
	seats := testkit.SeatIDs(t, s.pool, show)
	path := fmt.Sprint("/shows/", show)

	booked := 0
	bookOne := func() {
		id := book(t, s.pool, user, show, domain.BookingConfirmed, seats[booked])
		s.maps.Changed(domain.SeatChange{ShowID: show, BookingID: id, SeatIDs: seats[booked : booked+1], Status: domain.SeatBooked})
		booked++
	}
	// ask returns the free seats that the list, the search and the show have, and how many statements
	// they took.
	ask := func() (free [3]int, statements int) {
		s.queries.Reset()
		free[0] = read[showsBody](t, s.get("/shows"), http.StatusOK).Shows[0].AvailableSeats
		free[1] = read[showsBody](t, s.get("/shows/search?availability=available"), http.StatusOK).Shows[0].AvailableSeats
		free[2] = read[map[string]showBody](t, s.get(path), http.StatusOK)["show"].AvailableSeats
		return free, len(s.queries.Statements())
	}

	if free, n := ask(); free != [3]int{10, 10, 10} || n != 3 {
		t.Fatalf("at first: %v free, %d statements", free, n)
	}
	read[seatsBody](t, s.get(path+"/seats"), http.StatusOK)
	for range 4 {
		bookOne()
		if free, n := ask(); free != [3]int{10, 10, 10} || n != 0 {
			t.Errorf("within the age, %d booked: %v free, %d statements", booked, free, n)
		}
		taken := 0
		for _, seat := range read[seatsBody](t, s.get(path+"/seats"), http.StatusOK).Seats {
			if seat.Status == "BOOKED" {
				taken++
			}
		}
		if taken != booked {
			t.Errorf("seat map: %d seats taken, want %d", taken, booked)
		}
	}
	clock.Advance(maxAge + 1)
	for range 2 {
		if free, _ := ask(); free != [3]int{6, 6, 6} {
			t.Errorf("beyond the age: %v free, want 6", free)
		}
	}
	if _, n := ask(); n != 0 {
		t.Errorf("%d statements for responses that were just read", n)
	}
}
