package handler

import (
	"errors"
	"net/http"

	"evently/internal/domain"
	"evently/internal/respond"
)

type createVenueRequest struct {
	VenueName lineInput  `json:"venue_name" validate:"required,max=255"`
	Address   linesInput `json:"address" validate:"required,max=1000"`
}

type updateVenueRequest struct {
	VenueName *lineInput  `json:"venue_name" validate:"omitempty,min=1,max=255"`
	Address   *linesInput `json:"address" validate:"omitempty,min=1,max=1000"`
}

type seatsRequest struct {
	Seats []seatPlaceRequest `json:"seats" validate:"required,min=1,max=10000,dive"`
}

func (r seatsRequest) places() []domain.SeatPlace {
	return mapSlice(r.Seats, func(s seatPlaceRequest) domain.SeatPlace {
		return domain.SeatPlace{Row: string(s.SeatRow), Number: s.SeatNumber}
	})
}

type seatPlaceRequest struct {
	SeatRow    labelInput `json:"seat_row" validate:"required,max=16"`
	SeatNumber int32      `json:"seat_number" validate:"gt=0"`
}

type venueSeatsResponse struct {
	Venue venueDTO  `json:"venue"`
	Seats []seatDTO `json:"seats"`
}

type venuesResponse struct {
	Venues     []venueDTO `json:"venues"`
	NextCursor *string    `json:"next_cursor"`
}

type seatsAddedResponse struct {
	Message    string `json:"message"`
	AddedCount int    `json:"added_count"`
}

type seatsDeletedResponse struct {
	Message      string    `json:"message"`
	DeletedCount int       `json:"deleted_count"`
	DeletedSeats []seatDTO `json:"deleted_seats"`
}

// CreateVenue serves POST /admin/venues.
func (h *Catalog) CreateVenue(w http.ResponseWriter, r *http.Request) error {
	var body createVenueRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	venue, err := h.catalog.CreateVenue(r.Context(), string(body.VenueName), string(body.Address))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, envelope{"venue": toVenue(venue)})
}

// ListVenues serves GET /admin/venues.
func (h *Catalog) ListVenues(w http.ResponseWriter, r *http.Request) error {
	list := newList("venues")
	q := readQuery(r)
	limit, after := q.limit(), q.afterID(list)
	if q.err != nil {
		return q.err
	}
	venues, more, err := h.catalog.ListVenues(r.Context(), after, limit)
	if err != nil {
		return err
	}
	response := venuesResponse{Venues: mapSlice(venues, toVenue)}
	if more {
		response.NextCursor = list.cursor(venues[len(venues)-1].ID)
	}
	return respond.JSON(w, http.StatusOK, response)
}

// Venue serves GET /admin/venues/{id}.
func (h *Catalog) Venue(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	venue, seats, err := h.catalog.Venue(r.Context(), id)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, venueSeatsResponse{Venue: toVenue(venue), Seats: mapSlice(seats, toSeat)})
}

// UpdateVenue serves PUT /admin/venues/{id}.
func (h *Catalog) UpdateVenue(w http.ResponseWriter, r *http.Request) error {
	var body updateVenueRequest
	id, err := idAndBody(w, r, maxBody, &body)
	if err != nil {
		return err
	}
	if body == (updateVenueRequest{}) {
		return errNothingToChange("venue_name, address")
	}
	change := domain.VenueChange{Name: (*string)(body.VenueName), Address: (*string)(body.Address)}
	venue, err := h.catalog.UpdateVenue(r.Context(), id, change)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, envelope{"venue": toVenue(venue)})
}

// DeleteVenue serves DELETE /admin/venues/{id}.
func (h *Catalog) DeleteVenue(w http.ResponseWriter, r *http.Request) error {
	return deleteByID(w, r, h.catalog.DeleteVenue, "Venue deleted successfully")
}

// AddSeats serves POST /admin/venues/{id}/seats.
func (h *Catalog) AddSeats(w http.ResponseWriter, r *http.Request) error {
	var body seatsRequest
	id, err := idAndBody(w, r, maxBulkBody, &body)
	if err != nil {
		return err
	}
	added, err := h.catalog.AddSeats(r.Context(), id, body.places())
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, seatsAddedResponse{Message: "Seats added successfully", AddedCount: added})
}

// DeleteSeats serves DELETE /admin/venues/{id}/seats.
func (h *Catalog) DeleteSeats(w http.ResponseWriter, r *http.Request) error {
	var body seatsRequest
	id, err := idAndBody(w, r, maxBulkBody, &body)
	if err != nil {
		return err
	}
	deleted, inUse, err := h.catalog.DeleteSeats(r.Context(), id, body.places())
	if errors.Is(err, domain.ErrSeatsInUse) {
		return domain.ErrSeatsInUse.WithCause(err).With("conflicting_seats", mapSlice(inUse, toSeat))
	}
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, seatsDeletedResponse{
		Message:      "Seats deleted successfully",
		DeletedCount: len(deleted),
		DeletedSeats: mapSlice(deleted, toSeat),
	})
}
