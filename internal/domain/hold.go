package domain

import (
	"slices"
	"time"
)

// HoldRequest is a user's request to hold seats of a show.
type HoldRequest struct {
	UserID    int64
	ShowID    int64
	SeatIDs   []int64 // ascending, without duplicates
	LockToken string  // of the Redis seat locks
	HoldFor   time.Duration
	UserLimit int           // seats per user and show over live bookings; 0 is no limit
	MaxHolds  int           // live unpaid holds per user over all shows; 0 is no limit
	Cooldown  time.Duration // before a user may have a seat again that they let go unpaid
}

// SeatState is a seat of a show with its price and with the booking that has it.
type SeatState struct {
	Seat
	Price  Money
	Holder *Holder // nil for an available seat
}

// Holder is the booking that has a seat.
type Holder struct {
	BookingID int64
	UserID    int64
	Status    BookingStatus
	ExpiresAt time.Time
	SeatCount int
}

// HoldState is what the database says about the seats of a HoldRequest while it has them locked.
type HoldState struct {
	Now           time.Time // the database's clock
	NextBookingID int64     // id for the new booking
	Found         bool      // whether the show exists
	UserActive    bool      // whether the user's account is neither closed nor blocked
	ShowStart     time.Time
	Seats         []SeatState // the requested seats that the show has
	UserSeats     int         // seats of the user's live bookings of the show
	UserHolds     int         // the user's live unpaid holds over all shows
	CoolUntil     *time.Time  // when the user may have the last of the seats again
	Expired       []ExpiredHold
}

// ends reports whether the new hold ends this booking. One that expired after the locks keeps its seats.
func (s HoldState) ends(bookingID int64) bool {
	return slices.ContainsFunc(s.Expired, func(hold ExpiredHold) bool { return hold.Booking.ID == bookingID })
}

// HoldDecision is the outcome of a HoldRequest that was not refused.
type HoldDecision struct {
	Booking Booking
	Seats   []BookedSeat
	// ExistingID is the user's live hold of exactly the requested seats, 0 if there is none.
	ExistingID int64
}

// Decide returns the new hold, or the user's own hold of exactly these seats. It fails with ErrShowNotFound, ErrUnauthorized,
// ErrShowStarted, ErrInvalidSeats (invalid_seats), ErrSeatsUnavailable (failed_seats, held_by_you), ErrSeatLimit,
// ErrTooManyHolds or ErrSeatCoolingDown (retry_at).
func (r HoldRequest) Decide(state HoldState) (HoldDecision, error) {
	switch {
	case !state.Found:
		return HoldDecision{}, ErrShowNotFound
	case !state.UserActive:
		return HoldDecision{}, ErrUnauthorized
	case !state.Now.Before(state.ShowStart):
		return HoldDecision{}, ErrShowStarted
	}
	if unknown := r.unknownSeats(state); len(unknown) > 0 {
		return HoldDecision{}, ErrInvalidSeats.With("invalid_seats", unknown)
	}
	if id := r.ownHold(state); id != 0 {
		return HoldDecision{ExistingID: id}, nil
	}
	var failed, own []int64
	for _, seat := range state.Seats {
		if seat.Holder == nil || state.ends(seat.Holder.BookingID) {
			continue
		}
		failed = append(failed, seat.ID)
		if seat.Holder.UserID == r.UserID {
			own = append(own, seat.ID)
		}
	}
	if len(failed) > 0 {
		return HoldDecision{}, SeatsUnavailable(failed, own)
	}
	if r.UserLimit > 0 && state.UserSeats+len(r.SeatIDs) > r.UserLimit {
		return HoldDecision{}, ErrSeatLimit
	}
	if r.MaxHolds > 0 && state.UserHolds >= r.MaxHolds {
		return HoldDecision{}, ErrTooManyHolds
	}
	if state.CoolUntil != nil && state.Now.Before(*state.CoolUntil) {
		return HoldDecision{}, ErrSeatCoolingDown.With("retry_at", state.CoolUntil.UTC())
	}
	return r.hold(state), nil
}

// SeatsUnavailable returns ErrSeatsUnavailable for the failed seats, of which own are the user's.
func SeatsUnavailable(failed, own []int64) error {
	err := ErrSeatsUnavailable.With("failed_seats", failed)
	if len(own) > 0 {
		err = err.With("held_by_you", own)
	}
	return err
}

func (r HoldRequest) hold(state HoldState) HoldDecision {
	booking := Booking{
		ID: state.NextBookingID, UserID: r.UserID, ShowID: r.ShowID,
		Status: BookingPending, LockToken: r.LockToken,
		CreatedAt: state.Now, ExpiresAt: state.Now.Add(r.HoldFor),
	}
	seats := make([]BookedSeat, len(state.Seats))
	for i, seat := range state.Seats {
		seats[i] = BookedSeat{Seat: seat.Seat, Price: seat.Price}
		booking.Amount += seat.Price
	}
	return HoldDecision{Booking: booking, Seats: seats}
}

func (r HoldRequest) unknownSeats(state HoldState) []int64 {
	return slices.DeleteFunc(slices.Clone(r.SeatIDs), func(id int64) bool {
		return slices.ContainsFunc(state.Seats, func(seat SeatState) bool { return seat.ID == id })
	})
}

func (r HoldRequest) ownHold(state HoldState) int64 {
	first := state.Seats[0].Holder
	if first == nil || first.UserID != r.UserID || first.Status != BookingPending ||
		first.expired(state.Now) || first.SeatCount != len(r.SeatIDs) {
		return 0
	}
	for _, seat := range state.Seats {
		if seat.Holder == nil || seat.Holder.BookingID != first.BookingID {
			return 0
		}
	}
	return first.BookingID
}

func (h Holder) expired(now time.Time) bool {
	return Booking{Status: h.Status, ExpiresAt: h.ExpiresAt}.Expired(now)
}

// ExpiredHold is a hold that ran out of time and was not ended yet.
type ExpiredHold struct {
	Booking Booking
	SeatIDs []int64
	Paid    bool
	Overdue time.Duration // since its end
}

func (h ExpiredHold) End() Transition {
	seats := make([]BookedSeat, len(h.SeatIDs))
	for i, id := range h.SeatIDs {
		seats[i].ID = id
	}
	return Transition{Event: EventExpired, Booking: h.Booking.Expire(), Seats: seats, Paid: h.Paid, Overdue: h.Overdue}
}
