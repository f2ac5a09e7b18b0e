// Package domain has the entities of Evently, their value types and coded errors.
package domain

import "time"

// Role is what a user may do.
type Role string

// The roles.
const (
	RoleUser  Role = "user"
	RoleStaff Role = "staff"
	RoleAdmin Role = "admin"
)

// User is somebody who can sign in.
type User struct {
	ID           int64
	Email        string // as given; compared without regard to case
	PasswordHash string // bcrypt
	Role         Role
	Epoch        int32 // access tokens with a smaller epoch have ended
	Blocked      bool
	CreatedAt    time.Time
}

// Venue is a place with numbered seats.
type Venue struct {
	ID        int64
	Name      string
	Address   string
	CreatedAt time.Time
}

// Seat is a seat of a venue.
type Seat struct {
	ID      int64
	VenueID int64
	SeatSpec
	SectionPosition int32 // the place of the section among those of the venue
}

// SeatSpec is what an admin says of a seat.
type SeatSpec struct {
	SeatPlace
	Label    string   // what is printed, unique in its row
	Category string   // by which it is sold; "" is none
	X, Y     *float64 // in units of the venue's plan, from its upper left corner; nil if unknown

	Accessible     bool // for a wheelchair
	Companion      bool // beside an accessible seat, for who comes along
	RestrictedView bool

	GUID string // by which a seating plan knows it, unique in the venue; "" is none
}

// Equal reports whether both are the same seat and look the same.
func (s Seat) Equal(other Seat) bool {
	sameX, sameY := equalOrNil(s.X, other.X), equalOrNil(s.Y, other.Y)
	s.X, s.Y, other.X, other.Y = nil, nil, nil, nil
	return sameX && sameY && s == other
}

func equalOrNil[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// SeatEdit is a change of one seat. What is nil stays as it is.
type SeatEdit struct {
	ID   int64 // of the seat; if it is 0, GUID tells which
	GUID string

	Label, Category, NewGUID              *string // Category and NewGUID may be "": none
	X, Y                                  **float64
	Accessible, Companion, RestrictedView *bool
}

// Apply changes seat.
func (e SeatEdit) Apply(seat *SeatSpec) {
	setIfGiven(&seat.Label, e.Label)
	setIfGiven(&seat.Category, e.Category)
	setIfGiven(&seat.GUID, e.NewGUID)
	setIfGiven(&seat.X, e.X)
	setIfGiven(&seat.Y, e.Y)
	setIfGiven(&seat.Accessible, e.Accessible)
	setIfGiven(&seat.Companion, e.Companion)
	setIfGiven(&seat.RestrictedView, e.RestrictedView)
}

// SeatPlace is where a seat stands in its venue, and unique there.
type SeatPlace struct {
	Section string // "" is none
	Row     string
	Number  int32 // the order within the row
}

// Event is what is played; a Show is when and where.
type Event struct {
	ID        int64
	Title     string
	CreatedAt time.Time
}

// Show is one performance of an event. Every seat of its venue can be booked at Price.
type Show struct {
	ID        int64
	EventID   int64
	VenueID   int64
	StartTime time.Time
	EndTime   time.Time
	Price     Money // per seat
	CreatedAt time.Time
}

// ShowDetails is a show with what people want to know before they choose it.
type ShowDetails struct {
	Show
	Event          Event
	Venue          Venue
	AvailableSeats int
	TotalSeats     int
}

// SeatStatus tells whether a seat of a show can be had.
type SeatStatus string

// The states of a seat of a show. A hold whose time is over counts as available.
const (
	SeatAvailable SeatStatus = "AVAILABLE"
	SeatLocked    SeatStatus = "LOCKED"
	SeatBooked    SeatStatus = "BOOKED"
)

// ShowSeat is a seat as one show sees it.
type ShowSeat struct {
	Seat
	Status SeatStatus
}

// PlannedSeat is a seat of a show and the booking that has it.
type PlannedSeat struct {
	ShowSeat
	BookingID int64         // 0 for an available seat
	HoldLeft  time.Duration // until the hold of a locked seat ends, from when it was read
}

// SeatChange is what a booking did to seats of a show: SeatLocked when it was made, SeatBooked when it was
// confirmed, SeatAvailable when it ended.
type SeatChange struct {
	ShowID    int64
	BookingID int64
	SeatIDs   []int64
	Status    SeatStatus
	HoldFor   time.Duration // of locked seats, from now
	// Took is the age of the change: how long ago the work on it began.
	Took time.Duration
}
