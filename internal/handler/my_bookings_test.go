package handler_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/testkit"
)

type bookingsBody struct {
	Bookings []struct {
		BookingID    int64   `json:"booking_id"`
		Status       string  `json:"status"`
		CancelReason *string `json:"cancel_reason"`
		Seats        []seatBody
	} `json:"bookings"`
	NextCursor *string `json:"next_cursor"`
}

func (b bookingsBody) ids() []int64 {
	ids := []int64{}
	for _, booking := range b.Bookings {
		ids = append(ids, booking.BookingID)
	}
	return ids
}

var expiresIn = regexp.MustCompile(`"expires_in":(\d+)`)

func TestBookingHasTheFieldsOfTheContract(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	venue := testkit.NewVenue(t, s.pool, 2, 10)
	show := testkit.NewShow(t, s.pool, testkit.Show{VenueID: venue})
	seatID := func(row string, number int) int64 {
		return testkit.Value[int64](t, s.pool, `
			SELECT seat_id FROM seats WHERE venue_id = $1 AND seat_row = $2 AND seat_number = $3`, venue, row, number)
	}
	a2, a10, b1 := seatID("A", 2), seatID("A", 10), seatID("B", 1)
	id := book(t, s.pool, user, show, domain.BookingPending, b1, a10, a2)
	testkit.Exec(t, s.pool, `
		UPDATE bookings
		SET created_at = '2026-01-01T10:00:00Z', expires_at = '2099-01-01T10:10:00.25Z', amount = 1350.50
		WHERE booking_id = $1`, id)
	testkit.Exec(t, s.pool, `UPDATE booking_seats SET price = 450.50 WHERE seat_id = $1`, b1)

	details := read[map[string]json.RawMessage](t, s.get(fmt.Sprint("/shows/", show)), http.StatusOK)["show"]
	seat := func(id int64, row string, number int, price string) string {
		return fmt.Sprintf(`{"seat_id":%d,%s,"price":%s}`, id, plainSeat(venue, row, number), price)
	}
	got := read[map[string]json.RawMessage](t, s.getAs(user, fmt.Sprint("/bookings/", id)), http.StatusOK)
	left := expiresIn.FindStringSubmatch(string(got["booking"]))[1] // counts down
	want := fmt.Sprintf(`{"booking_id":%d,"user_id":%d,"show_id":%d,"status":"PENDING","cancel_reason":null,`+
		`"amount":1350.5,"created_at":"2026-01-01T10:00:00Z","expires_at":"2099-01-01T10:10:00.25Z",`+
		`"expires_in":%s,"paid_at":null,"payment":null,"show":%s,"seats":[%s,%s,%s]}`,
		id, user, show, left, details, seat(a2, "A", 2, "450"), seat(a10, "A", 10, "450"), seat(b1, "B", 1, "450.5"))
	if diff := cmp.Diff(map[string]string{"booking": want}, map[string]string{"booking": string(got["booking"])}); diff != "" {
		t.Errorf("booking (-want +got):\n%s", diff)
	}
	listed := expiresIn.ReplaceAllString(string(read[json.RawMessage](t, s.getAs(user, "/user/bookings"), http.StatusOK)), `"expires_in":`+left)
	if diff := cmp.Diff(fmt.Sprintf(`{"bookings":[%s],"next_cursor":null}`, want), listed); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestBookingsAreTheirOwnersBusiness(t *testing.T) {
	s := setupReading(t)
	owner, other := testkit.NewUser(t, s.pool), testkit.NewUser(t, s.pool)
	show := testkit.NewShow(t, s.pool, testkit.Show{})
	id := book(t, s.pool, owner, show, domain.BookingConfirmed, testkit.SeatIDs(t, s.pool, show)[0])

	target := fmt.Sprint("/bookings/", id)
	if e := read[errorBody](t, s.getAs(other, target), http.StatusNotFound); e.Code != "booking_not_found" {
		t.Errorf("another's booking: %+v", e)
	}
	if e := read[errorBody](t, s.getAs(owner, "/bookings/999999"), http.StatusNotFound); e.Code != "booking_not_found" {
		t.Errorf("no booking: %+v", e)
	}
	if got := read[bookingsBody](t, s.getAs(other, "/user/bookings"), http.StatusOK); len(got.Bookings) != 0 || got.Bookings == nil {
		t.Errorf("another's list: %+v", got)
	}
	for _, target := range []string{target, "/user/bookings"} {
		if e := read[errorBody](t, s.get(target), http.StatusUnauthorized); e.Code != "unauthorized" {
			t.Errorf("%s for nobody: %+v", target, e)
		}
	}
}

func TestBookingsByStatus(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	show := testkit.NewShow(t, s.pool, testkit.Show{})
	seats := testkit.SeatIDs(t, s.pool, show)
	pending := book(t, s.pool, user, show, domain.BookingPending, seats[0])
	confirmed := book(t, s.pool, user, show, domain.BookingConfirmed, seats[1])
	cancelled := book(t, s.pool, user, show, domain.BookingCancelled, seats[2], seats[3])
	expired := book(t, s.pool, user, show, domain.BookingPending, seats[4])
	testkit.Expire(t, s.pool, expired)

	for query, want := range map[string][]int64{
		"":                             {expired, cancelled, confirmed, pending},
		"?status=":                     {expired, cancelled, confirmed, pending},
		"?status=PENDING":              {pending},
		"?status=CONFIRMED":            {confirmed},
		"?status=CANCELLED":            {expired, cancelled},
		"?status=CANCELLED&unknown=no": {expired, cancelled},
	} {
		got := read[bookingsBody](t, s.getAs(user, "/user/bookings"+query), http.StatusOK)
		if diff := cmp.Diff(want, got.ids()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	all := read[bookingsBody](t, s.getAs(user, "/user/bookings"), http.StatusOK).Bookings
	if all[0].Status != "CANCELLED" || all[0].CancelReason == nil || *all[0].CancelReason != "expired" {
		t.Errorf("a hold that is over: %+v", all[0])
	}
	if all[1].CancelReason == nil || *all[1].CancelReason != "user" || len(all[1].Seats) != 2 {
		t.Errorf("a cancelled booking: %+v, want its reason and its seats", all[1])
	}
	for _, query := range []string{"status=pending", "status=EXPIRED", "status=%00", "limit=0", "limit=501", "cursor=x",
		"cursor=Ym9va2luZ3M6MA", "cursor=c2hvd3M6MTox"} { // bookings:0, shows:1:1
		read[errorBody](t, s.getAs(user, "/user/bookings?"+query), http.StatusBadRequest)
	}
}

func TestBookingsPagesWalkEveryBookingOnce(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	show := testkit.NewShow(t, s.pool, testkit.Show{})
	var want []int64
	for _, seat := range testkit.SeatIDs(t, s.pool, show) {
		want = append([]int64{book(t, s.pool, user, show, domain.BookingConfirmed, seat)}, want...)
	}
	for _, limit := range []int{1, 3, 10, 100} {
		var got []int64
		cursor := ""
		for range 20 {
			page := read[bookingsBody](t, s.getAs(user, fmt.Sprintf("/user/bookings?limit=%d%s", limit, cursor)), http.StatusOK)
			got = append(got, page.ids()...)
			if page.NextCursor == nil {
				break
			}
			cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("limit %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestBookingKeepsTheShowThatWasDeleted(t *testing.T) {
	s := setupReading(t)
	user := testkit.NewUser(t, s.pool)
	show := testkit.NewShow(t, s.pool, testkit.Show{EventID: testkit.NewEvent(t, s.pool, "Echoes of Time")})
	id := book(t, s.pool, user, show, domain.BookingCancelled, testkit.SeatIDs(t, s.pool, show)[0])
	testkit.Exec(t, s.pool, `UPDATE shows SET deleted_at = now() WHERE show_id = $1`, show)

	got := read[struct {
		Booking struct {
			Show struct{ Event struct{ Title string } }
		}
	}](t, s.getAs(user, fmt.Sprint("/bookings/", id)), http.StatusOK)
	if got.Booking.Show.Event.Title != "Echoes of Time" {
		t.Errorf("show = %+v", got.Booking.Show)
	}
}
