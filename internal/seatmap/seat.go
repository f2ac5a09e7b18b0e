package seatmap

import "evently/internal/domain"

// Seat is a seat in JSON, the same in every response.
type Seat struct {
	SeatID         int64    `json:"seat_id"`
	VenueID        int64    `json:"venue_id"`
	Section        string   `json:"section"`
	SeatRow        string   `json:"seat_row"`
	SeatNumber     int32    `json:"seat_number"`
	SeatLabel      string   `json:"seat_label"`
	Category       *string  `json:"category"`
	X              *float64 `json:"x"`
	Y              *float64 `json:"y"`
	Accessible     bool     `json:"accessible"`
	Companion      bool     `json:"companion"`
	RestrictedView bool     `json:"restricted_view"`
	SeatGUID       *string  `json:"seat_guid"`
}

// ToSeat returns the JSON of s.
func ToSeat(s domain.Seat) Seat {
	return Seat{
		SeatID: s.ID, VenueID: s.VenueID, Section: s.Section, SeatRow: s.Row, SeatNumber: s.Number, SeatLabel: s.Label,
		Category: orNull(s.Category), X: s.X, Y: s.Y,
		Accessible: s.Accessible, Companion: s.Companion, RestrictedView: s.RestrictedView, SeatGUID: orNull(s.GUID),
	}
}

// orNull is nil, which is encoded as null, for "".
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
