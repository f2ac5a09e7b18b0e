package domain

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// BookingStatus is the stored state of a booking.
type BookingStatus string

// A booking starts as PENDING and ends as CONFIRMED or CANCELLED.
const (
	BookingPending   BookingStatus = "PENDING"
	BookingConfirmed BookingStatus = "CONFIRMED"
	BookingCancelled BookingStatus = "CANCELLED"
)

// CancelReason says who or what cancelled a booking; it is empty for a booking that was not cancelled.
type CancelReason string

// The reasons for a cancellation.
const (
	CancelledByUser  CancelReason = "user"
	CancelledExpired CancelReason = "expired"
	CancelledByAdmin CancelReason = "admin"
)

// Booking is a user's claim on seats of one show.
type Booking struct {
	ID           int64
	UserID       int64
	ShowID       int64
	Status       BookingStatus
	CancelReason CancelReason
	Amount       Money // sum of the prices of its seats
	LockToken    string
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// Alive reports whether the booking has its seats at the time now.
func (b Booking) Alive(now time.Time) bool {
	return b.Status == BookingConfirmed || b.Status == BookingPending && now.Before(b.ExpiresAt)
}

// Expired reports whether the booking was a hold that ran out of time.
func (b Booking) Expired(now time.Time) bool {
	return b.CancelReason == CancelledExpired || b.Status == BookingPending && !b.Alive(now)
}

// Confirm returns the confirmed booking. It fails with ErrHoldExpired, ErrBookingNotPending or ErrPaymentRequired.
func (b Booking) Confirm(now time.Time, paid bool) (Booking, error) {
	switch {
	case b.Status == BookingConfirmed:
		return b, nil
	case b.Expired(now):
		return b, ErrHoldExpired
	case b.Status == BookingCancelled:
		return b, ErrBookingNotPending
	case !paid:
		return b, ErrPaymentRequired
	}
	b.Status = BookingConfirmed
	return b, nil
}

// Cancel returns the booking as its user cancels it before showStart. It fails with ErrBookingCancelled or
// ErrShowStarted.
func (b Booking) Cancel(now, showStart time.Time) (Booking, error) {
	switch {
	case !b.Alive(now):
		return b, ErrBookingCancelled
	case !now.Before(showStart):
		return b, ErrShowStarted
	}
	b.Status, b.CancelReason = BookingCancelled, CancelledByUser
	return b, nil
}

// Expire returns an expired hold as a cancelled booking.
func (b Booking) Expire() Booking {
	b.Status, b.CancelReason = BookingCancelled, CancelledExpired
	return b
}

// CheckPayable returns nil for a hold that can be paid for, or else ErrHoldExpired or ErrBookingNotPending.
func (b Booking) CheckPayable(now time.Time) error {
	switch {
	case b.Expired(now):
		return ErrHoldExpired
	case b.Status != BookingPending:
		return ErrBookingNotPending
	}
	return nil
}

// BookedSeat is a seat of a booking at the price that the booking pays for it.
type BookedSeat struct {
	Seat
	Price Money
}

// SeatIDs returns the ids of seats.
func SeatIDs(seats []BookedSeat) []int64 {
	ids := make([]int64, len(seats))
	for i, seat := range seats {
		ids[i] = seat.ID
	}
	return ids
}

// SortSeats sorts seats by section, as the venue has them, row and number: rows A to Z before AA, numbers as numbers.
// The repository's seatOrder is the same.
func SortSeats(seats []BookedSeat) {
	slices.SortFunc(seats, func(a, b BookedSeat) int {
		return cmp.Or(
			cmp.Compare(a.SectionPosition, b.SectionPosition),
			cmp.Compare(utf8.RuneCountInString(a.Row), utf8.RuneCountInString(b.Row)),
			strings.Compare(a.Row, b.Row),
			cmp.Compare(a.Number, b.Number),
		)
	})
}

// BookingDetails is a booking with its show, seats and payment. A cancelled booking keeps its seats.
type BookingDetails struct {
	Booking
	HoldLeft time.Duration // until ExpiresAt; 0 unless the booking is a live hold
	Show     ShowDetails
	Seats    []BookedSeat
	Payment  *Payment // that was taken, and perhaps refunded; nil if there is none
}

// SeatLock identifies the Redis seat locks of one hold. Its token authorizes their release.
type SeatLock struct {
	ShowID  int64
	SeatIDs []int64
	Token   string
}
