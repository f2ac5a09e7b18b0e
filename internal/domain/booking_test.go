package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
)

var now = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

// states are all states of a booking at the time now.
var states = map[string]domain.Booking{
	"hold":                {Status: domain.BookingPending, ExpiresAt: now.Add(time.Nanosecond)},
	"expired hold":        {Status: domain.BookingPending, ExpiresAt: now},
	"confirmed":           {Status: domain.BookingConfirmed, ExpiresAt: now.Add(time.Hour)},
	"confirmed long ago":  {Status: domain.BookingConfirmed, ExpiresAt: now.Add(-time.Hour)},
	"cancelled":           {Status: domain.BookingCancelled, CancelReason: domain.CancelledByUser, ExpiresAt: now.Add(time.Hour)},
	"cancelled long ago":  {Status: domain.BookingCancelled, CancelReason: domain.CancelledByUser, ExpiresAt: now.Add(-time.Hour)},
	"cancelled by admin":  {Status: domain.BookingCancelled, CancelReason: domain.CancelledByAdmin, ExpiresAt: now.Add(time.Hour)},
	"ended after expiry":  {Status: domain.BookingCancelled, CancelReason: domain.CancelledExpired, ExpiresAt: now.Add(-time.Hour)},
	"ended by fast clock": {Status: domain.BookingCancelled, CancelReason: domain.CancelledExpired, ExpiresAt: now.Add(time.Second)},
}

func TestBooking_States(t *testing.T) {
	t.Parallel()
	type verdict struct {
		alive, expired bool
		confirmPaid    error
		confirmUnpaid  error
		pay            error
		cancel         error
	}
	gone := verdict{
		confirmPaid: domain.ErrBookingNotPending, confirmUnpaid: domain.ErrBookingNotPending,
		pay: domain.ErrBookingNotPending, cancel: domain.ErrBookingCancelled,
	}
	expired := verdict{
		expired:     true,
		confirmPaid: domain.ErrHoldExpired, confirmUnpaid: domain.ErrHoldExpired,
		pay: domain.ErrHoldExpired, cancel: domain.ErrBookingCancelled,
	}
	confirmed := verdict{alive: true, pay: domain.ErrBookingNotPending}
	want := map[string]verdict{
		"hold":                {alive: true, confirmUnpaid: domain.ErrPaymentRequired},
		"expired hold":        expired,
		"confirmed":           confirmed,
		"confirmed long ago":  confirmed,
		"cancelled":           gone,
		"cancelled long ago":  gone,
		"cancelled by admin":  gone,
		"ended after expiry":  expired,
		"ended by fast clock": expired,
	}
	for name, b := range states {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := want[name]
			if got := b.Alive(now); got != w.alive {
				t.Errorf("Alive is %t", got)
			}
			if got := b.Expired(now); got != w.expired {
				t.Errorf("Expired is %t", got)
			}
			for paid, wantErr := range map[bool]error{true: w.confirmPaid, false: w.confirmUnpaid} {
				after, err := b.Confirm(now, paid)
				checkStep(t, "Confirm", b, after, err, wantErr, domain.BookingConfirmed, "")
			}
			after, err := b.Cancel(now, now.Add(time.Hour))
			checkStep(t, "Cancel", b, after, err, w.cancel, domain.BookingCancelled, domain.CancelledByUser)
			if err := b.CheckPayable(now); !errors.Is(err, w.pay) {
				t.Errorf("CheckPayable returned %v, want %v", err, w.pay)
			}
		})
	}
}

// checkStep fails the test unless a step changed nothing but status and reason, and those only if it
// was to succeed.
func checkStep(t *testing.T, step string, before, after domain.Booking, err, wantErr error,
	status domain.BookingStatus, reason domain.CancelReason,
) {
	t.Helper()
	if !errors.Is(err, wantErr) {
		t.Errorf("%s returned %v, want %v", step, err, wantErr)
	}
	want := before
	if wantErr == nil {
		want.Status, want.CancelReason = status, reason
	}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("%s (-want +got):\n%s", step, diff)
	}
}

func TestBookingCancel_StartedShowIsRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"hold", "confirmed", "confirmed long ago"} {
		b := states[name]
		for _, start := range []time.Time{now, now.Add(-time.Hour)} {
			after, err := b.Cancel(now, start)
			checkStep(t, name, b, after, err, domain.ErrShowStarted, "", "")
		}
		if _, err := b.Cancel(now, now.Add(time.Nanosecond)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"expired hold", "cancelled", "ended after expiry"} {
		if _, err := states[name].Cancel(now, now.Add(-time.Hour)); !errors.Is(err, domain.ErrBookingCancelled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBookingExpire_IsCancelledAsExpired(t *testing.T) {
	t.Parallel()
	b := states["expired hold"]
	after := b.Expire()
	checkStep(t, "Expire", b, after, nil, nil, domain.BookingCancelled, domain.CancelledExpired)
	if !after.Expired(now) || after.Alive(now) {
		t.Error("the ended hold does not count as expired")
	}
}

func seatAt(section int32, row string, number int32) domain.Seat {
	return domain.Seat{SectionPosition: section, SeatSpec: domain.SeatSpec{SeatPlace: domain.SeatPlace{Row: row, Number: number}}}
}

func TestSortSeats_SectionsFirst(t *testing.T) {
	t.Parallel()
	seats := []domain.BookedSeat{{Seat: seatAt(2, "A", 1)}, {Seat: seatAt(1, "B", 1)}, {Seat: seatAt(1, "A", 2)}}
	domain.SortSeats(seats)
	want := []domain.BookedSeat{{Seat: seatAt(1, "A", 2)}, {Seat: seatAt(1, "B", 1)}, {Seat: seatAt(2, "A", 1)}}
	if diff := cmp.Diff(want, seats); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSeatEdit_ChangesWhatIsNamed(t *testing.T) {
	t.Parallel()
	before := domain.Seat{ID: 1, SeatSpec: domain.SeatSpec{Label: "1", Category: "Gold", X: new(1.5), Accessible: true, GUID: "g"}}
	after := before
	domain.SeatEdit{ID: 1, Label: new("1a"), Category: new(""), X: new((*float64)(nil)), Y: new(new(2.0))}.Apply(&after.SeatSpec)
	want := domain.Seat{ID: 1, SeatSpec: domain.SeatSpec{Label: "1a", Y: new(2.0), Accessible: true, GUID: "g"}}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if before.Equal(after) || !after.Equal(want) {
		t.Error("Equal does not look at what X and Y point to")
	}
}

func TestSortSeats_RowsThenNumbers(t *testing.T) {
	t.Parallel()
	seat := func(row string, number int32) domain.BookedSeat {
		return domain.BookedSeat{Seat: seatAt(0, row, number)}
	}
	seats := []domain.BookedSeat{seat("AA", 1), seat("B", 10), seat("B", 9), seat("Ä", 1), seat("A", 2), seat("Z", 1)}
	domain.SortSeats(seats)
	want := []domain.BookedSeat{seat("A", 2), seat("B", 9), seat("B", 10), seat("Z", 1), seat("Ä", 1), seat("AA", 1)}
	if diff := cmp.Diff(want, seats); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTransition_LockNamesTheSeatsOfTheBooking(t *testing.T) {
	t.Parallel()
	booking := domain.Booking{ShowID: 7, LockToken: "5.x"}
	transition := domain.Transition{Booking: booking, Seats: []domain.BookedSeat{{Seat: domain.Seat{ID: 2}}, {Seat: domain.Seat{ID: 1}}}}
	want := domain.SeatLock{ShowID: 7, SeatIDs: []int64{2, 1}, Token: "5.x"}
	if diff := cmp.Diff(want, transition.Lock()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
