// Package handler has the HTTP handlers: they decode requests, call services and encode the results.
package handler

import (
	"net/http"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/seatmap"
)

// moneyOutput is encoded as a JSON number with at most two decimals.
type moneyOutput domain.Money

func (m moneyOutput) MarshalJSON() ([]byte, error) { return []byte(domain.Money(m).String()), nil }

// envelope is a response with its fields by name.
type envelope map[string]any

// write responds with body, or fails with the error of what was to be its content.
func write(w http.ResponseWriter, status int, body any, err error) error {
	if err != nil {
		return err
	}
	return respond.JSON(w, status, body)
}

type userDTO struct {
	UserID    int64       `json:"user_id"`
	Email     string      `json:"email"`
	Role      domain.Role `json:"role"`
	CreatedAt time.Time   `json:"created_at"`
}

func toUser(u domain.User) userDTO {
	return userDTO{UserID: u.ID, Email: u.Email, Role: u.Role, CreatedAt: u.CreatedAt.UTC()}
}

type venueDTO struct {
	VenueID   int64     `json:"venue_id"`
	VenueName string    `json:"venue_name"`
	Address   string    `json:"address"`
	CreatedAt time.Time `json:"created_at"`
}

func toVenue(v domain.Venue) venueDTO {
	return venueDTO{VenueID: v.ID, VenueName: v.Name, Address: v.Address, CreatedAt: v.CreatedAt.UTC()}
}

type pricedSeatDTO struct {
	seatmap.Seat
	Price moneyOutput `json:"price"`
}

func toPricedSeat(s domain.BookedSeat) pricedSeatDTO {
	return pricedSeatDTO{Seat: seatmap.ToSeat(s.Seat), Price: moneyOutput(s.Price)}
}

type eventDTO struct {
	EventID   int64     `json:"event_id"`
	Title     string    `json:"title"`
	CreatedAt time.Time `json:"created_at"`
}

func toEvent(e domain.Event) eventDTO {
	return eventDTO{EventID: e.ID, Title: e.Title, CreatedAt: e.CreatedAt.UTC()}
}

type showDTO struct {
	ShowID    int64       `json:"show_id"`
	EventID   int64       `json:"event_id"`
	VenueID   int64       `json:"venue_id"`
	StartTime time.Time   `json:"start_time"`
	EndTime   time.Time   `json:"end_time"`
	Price     moneyOutput `json:"price"`
	CreatedAt time.Time   `json:"created_at"`
}

func toShow(s domain.Show) showDTO {
	return showDTO{
		ShowID: s.ID, EventID: s.EventID, VenueID: s.VenueID,
		StartTime: s.StartTime.UTC(), EndTime: s.EndTime.UTC(),
		Price: moneyOutput(s.Price), CreatedAt: s.CreatedAt.UTC(),
	}
}

type eventRefDTO struct {
	EventID int64  `json:"event_id"`
	Title   string `json:"title"`
}

type venueRefDTO struct {
	VenueID   int64  `json:"venue_id"`
	VenueName string `json:"venue_name"`
	Address   string `json:"address"`
}

type showDetailsDTO struct {
	showDTO
	Event          eventRefDTO `json:"event"`
	Venue          venueRefDTO `json:"venue"`
	AvailableSeats int         `json:"available_seats"`
	TotalSeats     int         `json:"total_seats"`
}

func toShowDetails(s domain.ShowDetails) showDetailsDTO {
	return showDetailsDTO{
		showDTO:        toShow(s.Show),
		Event:          eventRefDTO{EventID: s.Event.ID, Title: s.Event.Title},
		Venue:          venueRefDTO{VenueID: s.Venue.ID, VenueName: s.Venue.Name, Address: s.Venue.Address},
		AvailableSeats: s.AvailableSeats,
		TotalSeats:     s.TotalSeats,
	}
}

// mapSlice applies f to each item. It never returns nil, which would be encoded as null.
func mapSlice[A, B any](items []A, f func(A) B) []B {
	out := make([]B, len(items))
	for i, item := range items {
		out[i] = f(item)
	}
	return out
}
