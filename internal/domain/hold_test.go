package domain_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
)

const (
	buyer = int64(5)
	other = int64(6)
)

var holdRequest = domain.HoldRequest{
	UserID: buyer, ShowID: 7, SeatIDs: []int64{1, 2}, LockToken: "5.x", HoldFor: 10 * time.Minute, UserLimit: 4, MaxHolds: 2, Cooldown: time.Minute,
}

// rowA returns the seat of row A with this number.
func rowA(number int32) domain.Seat {
	return domain.Seat{ID: int64(number), VenueID: 3, SeatSpec: domain.SeatSpec{SeatPlace: domain.SeatPlace{Row: "A", Number: number}}}
}

// holdState returns a state in which holdRequest succeeds.
func holdState() domain.HoldState {
	return domain.HoldState{
		Now: now, NextBookingID: 99, Found: true, UserActive: true, ShowStart: now.Add(time.Hour),
		Seats: []domain.SeatState{
			{Seat: rowA(1), Price: 45000},
			{Seat: rowA(2), Price: 12345},
		},
	}
}

// holder returns a live hold of the user.
func holder(bookingID, userID int64, seatCount int) *domain.Holder {
	return &domain.Holder{
		BookingID: bookingID, UserID: userID, Status: domain.BookingPending,
		ExpiresAt: now.Add(time.Minute), SeatCount: seatCount,
	}
}

func TestDecide_AvailableSeatsAreHeldAtTheSumOfTheirPrices(t *testing.T) {
	t.Parallel()
	got, err := holdRequest.Decide(holdState())
	if err != nil {
		t.Fatal(err)
	}
	want := domain.HoldDecision{
		Booking: domain.Booking{
			ID: 99, UserID: buyer, ShowID: 7, Status: domain.BookingPending, Amount: 57345, LockToken: "5.x",
			CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute),
		},
		Seats: []domain.BookedSeat{
			{Seat: rowA(1), Price: 45000},
			{Seat: rowA(2), Price: 12345},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each case has the faults of those below it, too: the first one decides.
func TestDecide_Refusals(t *testing.T) {
	t.Parallel()
	until := now.Add(time.Second)
	cooling := func(s *domain.HoldState) { s.CoolUntil = &until }
	holds := func(s *domain.HoldState) { cooling(s); s.UserHolds = 2 }
	limit := func(s *domain.HoldState) { holds(s); s.UserSeats = 3 }
	taken := func(s *domain.HoldState) { limit(s); s.Seats[1].Holder = holder(1, other, 1) }
	unknown := func(s *domain.HoldState) { taken(s); s.Seats = s.Seats[1:] }
	started := func(s *domain.HoldState) { unknown(s); s.ShowStart = now }
	closed := func(s *domain.HoldState) { started(s); s.UserActive = false }
	missing := func(s *domain.HoldState) { closed(s); s.Found, s.Seats = false, nil }
	for name, c := range map[string]struct {
		change func(*domain.HoldState)
		want   *domain.Error
	}{
		"no such show":          {missing, domain.ErrShowNotFound},
		"closed account":        {closed, domain.ErrUnauthorized},
		"show that has started": {started, domain.ErrShowStarted},
		"seat of another show":  {unknown, domain.ErrInvalidSeats.With("invalid_seats", []int64{1})},
		"taken seat":            {taken, domain.ErrSeatsUnavailable.With("failed_seats", []int64{2})},
		"too many seats":        {limit, domain.ErrSeatLimit},
		"too many holds":        {holds, domain.ErrTooManyHolds},
		"seat let go lately":    {cooling, domain.ErrSeatCoolingDown.With("retry_at", until)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := holdState()
			c.change(&state)
			wantRefusal(t, state, c.want)
		})
	}
}

func wantRefusal(t *testing.T, state domain.HoldState, want *domain.Error) {
	t.Helper()
	decision, err := holdRequest.Decide(state)
	var got *domain.Error
	if !errors.As(err, &got) {
		t.Fatalf("Decide returned %+v, %v, want %v", decision, err, want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(domain.HoldDecision{}, decision); diff != "" {
		t.Errorf("a refusal with a decision:\n%s", diff)
	}
}

func TestDecide_OwnHoldOfExactlyTheseSeatsIsReturned(t *testing.T) {
	t.Parallel()
	state := holdState()
	state.UserSeats = 4 // the limit does not matter: nothing is added
	state.Seats[0].Holder, state.Seats[1].Holder = holder(42, buyer, 2), holder(42, buyer, 2)
	got, err := holdRequest.Decide(state)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(domain.HoldDecision{ExistingID: 42}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecide_OwnSeatsThatAreNotThisHoldAreHeldByYou(t *testing.T) {
	t.Parallel()
	confirmed := holder(42, buyer, 2)
	confirmed.Status = domain.BookingConfirmed
	for name, c := range map[string]struct {
		first, second *domain.Holder
		failed, own   []int64
	}{
		"own hold and an available seat": {holder(42, buyer, 1), nil, []int64{1}, []int64{1}},
		"an available seat and own hold": {nil, holder(42, buyer, 1), []int64{2}, []int64{2}},
		"own hold and a taken seat":      {holder(42, buyer, 1), holder(43, other, 1), []int64{1, 2}, []int64{1}},
		"own hold of more seats":         {holder(42, buyer, 3), holder(42, buyer, 3), []int64{1, 2}, []int64{1, 2}},
		"two own holds":                  {holder(42, buyer, 2), holder(43, buyer, 2), []int64{1, 2}, []int64{1, 2}},
		"own confirmed booking":          {confirmed, confirmed, []int64{1, 2}, []int64{1, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := holdState()
			state.Seats[0].Holder, state.Seats[1].Holder = c.first, c.second
			wantRefusal(t, state, domain.ErrSeatsUnavailable.With("failed_seats", c.failed).With("held_by_you", c.own))
		})
	}
}

func TestDecide_AnotherUsersHoldIsNotReturned(t *testing.T) {
	t.Parallel()
	state := holdState()
	state.Seats[0].Holder, state.Seats[1].Holder = holder(42, other, 2), holder(42, other, 2)
	wantRefusal(t, state, domain.ErrSeatsUnavailable.With("failed_seats", []int64{1, 2}))
}

func TestDecide_SeatsOfAnExpiredHoldAreAvailable(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]int64{"own": buyer, "of another user": other} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			state := holdState()
			expired := holder(42, user, 2)
			expired.ExpiresAt = now
			state.Seats[0].Holder, state.Seats[1].Holder = expired, expired
			state.Expired = []domain.ExpiredHold{{Booking: domain.Booking{ID: 42}, SeatIDs: []int64{1, 2}}}
			got, err := holdRequest.Decide(state)
			if err != nil || got.Booking.ID != 99 {
				t.Errorf("Decide returned %+v, %v", got, err)
			}
		})
	}
}

// Its end is not among what the transaction has locked, so its seats cannot be taken either.
func TestDecide_SeatsOfAHoldThatIsNotEndedAreTaken(t *testing.T) {
	t.Parallel()
	state := holdState()
	expired := holder(42, other, 2)
	expired.ExpiresAt = now
	state.Seats[0].Holder, state.Seats[1].Holder = expired, expired
	wantRefusal(t, state, domain.ErrSeatsUnavailable.With("failed_seats", []int64{1, 2}))
}

func TestDecide_LimitCountsSeatsOfLiveBookings(t *testing.T) {
	t.Parallel()
	state := holdState()
	state.UserSeats = 2
	if _, err := holdRequest.Decide(state); err != nil {
		t.Errorf("exactly the limit: %v", err)
	}
	state.UserSeats = 1000
	unlimited := holdRequest
	unlimited.UserLimit = 0
	if _, err := unlimited.Decide(state); err != nil {
		t.Errorf("no limit: %v", err)
	}
}

func TestExpiredHold_EndFreesAllItsSeats(t *testing.T) {
	t.Parallel()
	hold := domain.ExpiredHold{
		Booking: domain.Booking{ID: 42, ShowID: 7, Status: domain.BookingPending, LockToken: "6.y"},
		SeatIDs: []int64{1, 2}, Paid: true, Overdue: time.Second,
	}
	end := hold.End()
	if end.Event != domain.EventExpired || !end.Ends() || !end.Paid || end.Overdue != time.Second ||
		end.Booking.Status != domain.BookingCancelled || end.Booking.CancelReason != domain.CancelledExpired {
		t.Errorf("End returned %+v", end)
	}
	if diff := cmp.Diff(domain.SeatLock{ShowID: 7, SeatIDs: []int64{1, 2}, Token: "6.y"}, end.Lock()); diff != "" {
		t.Errorf("lock (-want +got):\n%s", diff)
	}
}
