package domain

import "time"

// BookingStatus is where a booking stands.
type BookingStatus string

// The life of a booking: PENDING while its seats are held, then CONFIRMED or CANCELLED.
// A confirmed booking can still be cancelled; a cancelled one stays so.
const (
	BookingPending   BookingStatus = "PENDING"
	BookingConfirmed BookingStatus = "CONFIRMED"
	BookingCancelled BookingStatus = "CANCELLED"
)

// CancelReason tells who ended a booking.
type CancelReason string

// Why a booking was cancelled. The empty reason is that of a booking that was not.
const (
	CancelledByUser  CancelReason = "user"
	CancelledExpired CancelReason = "expired"
	CancelledByAdmin CancelReason = "admin"
)

// Booking is a user's claim on seats of one show. A PENDING booking is a hold: it counts
// until ExpiresAt and not a moment longer, whether or not anything has tidied it away.
type Booking struct {
	ID           int64
	UserID       int64
	ShowID       int64
	Status       BookingStatus
	CancelReason CancelReason
	Amount       Money // price × seats, when the seats were locked
	CreatedAt    time.Time
	ExpiresAt    time.Time
}

// BookedSeat is a seat as a booking took it.
type BookedSeat struct {
	Seat
	Price Money
}

// BookingDetails is a booking with its show and seats. A cancelled one still lists its seats.
type BookingDetails struct {
	Booking
	Show  ShowDetails
	Seats []BookedSeat
}

// SeatLock names the Redis seat locks of one hold: whoever knows the token may release them.
type SeatLock struct {
	ShowID  int64
	SeatIDs []int64
	Token   string
	// Overdue is how long the hold had been over when it was ended; 0 unless it had run out.
	Overdue time.Duration
}

// Hold is the outcome of locking seats.
type Hold struct {
	Booking
	Seats []BookedSeat
	// Lapsed tells of each hold that had run out and stood in the way, how long it had been over.
	Lapsed []time.Duration
}

// Payment is money that was taken for a booking.
type Payment struct {
	TransactionID string
	Amount        Money
	Refunded      bool
}
