package handler

import (
	"errors"
	"net/http"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// venueList is the kind of the cursors of the list of venues.
const venueList = "venues"

// Venues answers the admin routes for venues and their seats.
type Venues struct {
	catalog *service.Catalog
}

// NewVenues gives Venues over catalog.
func NewVenues(catalog *service.Catalog) *Venues {
	return &Venues{catalog: catalog}
}

type createVenueRequest struct {
	VenueName string `json:"venue_name" validate:"required,max=255,text"`
	Address   string `json:"address" validate:"required,max=1000,lines"`
}

// updateVenueRequest takes any of the fields. A null is a field that is left out: no field of
// a venue can be unset, and clients that send every field they know write null for the rest.
type updateVenueRequest struct {
	VenueName *string `json:"venue_name" validate:"omitempty,min=1,max=255,text"`
	Address   *string `json:"address" validate:"omitempty,min=1,max=1000,lines"`
}

type seatsRequest struct {
	Seats []seatPlaceRequest `json:"seats" validate:"required,min=1,max=10000,dive"`
}

// places gives the seats by row and number. Rows are kept as they are written: "a" is not "A".
func (r seatsRequest) places() []domain.SeatPlace {
	return mapSlice(r.Seats, func(s seatPlaceRequest) domain.SeatPlace {
		return domain.SeatPlace{Row: s.SeatRow, Number: s.SeatNumber}
	})
}

type seatPlaceRequest struct {
	SeatRow    string `json:"seat_row" validate:"required,max=4,text"`
	SeatNumber int32  `json:"seat_number" validate:"gt=0"`
}

type venueResponse struct {
	Venue venueDTO `json:"venue"`
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

// deletedResponse is the answer to the deletion of one thing.
type deletedResponse struct {
	Message string `json:"message"`
}

// Create answers POST /admin/venues.
func (h *Venues) Create(w http.ResponseWriter, r *http.Request) error {
	var body createVenueRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	venue, err := h.catalog.CreateVenue(r.Context(), body.VenueName, body.Address)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, venueResponse{Venue: toVenue(venue)})
}

// List answers GET /admin/venues.
func (h *Venues) List(w http.ResponseWriter, r *http.Request) error {
	after, limit, err := queryIDPage(r, venueList)
	if err != nil {
		return err
	}
	venues, more, err := h.catalog.ListVenues(r.Context(), after, limit)
	if err != nil {
		return err
	}
	answer := venuesResponse{Venues: mapSlice(venues, toVenue)}
	if more {
		answer.NextCursor = encodeCursor(venueList, venues[len(venues)-1].ID)
	}
	return respond.JSON(w, http.StatusOK, answer)
}

// Get answers GET /admin/venues/{id}.
func (h *Venues) Get(w http.ResponseWriter, r *http.Request) error {
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

// Update answers PUT /admin/venues/{id}.
func (h *Venues) Update(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	var body updateVenueRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	if body == (updateVenueRequest{}) {
		return errNothingToChange("venue_name, address")
	}
	venue, err := h.catalog.UpdateVenue(r.Context(), id, domain.VenueChange{Name: body.VenueName, Address: body.Address})
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, venueResponse{Venue: toVenue(venue)})
}

// Delete answers DELETE /admin/venues/{id}.
func (h *Venues) Delete(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	if err := h.catalog.DeleteVenue(r.Context(), id); err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, deletedResponse{Message: "Venue deleted successfully"})
}

// AddSeats answers POST /admin/venues/{id}/seats.
func (h *Venues) AddSeats(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	var body seatsRequest
	if err := decode(w, r, maxBulkBody, &body); err != nil {
		return err
	}
	added, err := h.catalog.AddSeats(r.Context(), id, body.places())
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, seatsAddedResponse{Message: "Seats added successfully", AddedCount: added})
}

// DeleteSeats answers DELETE /admin/venues/{id}/seats.
func (h *Venues) DeleteSeats(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	var body seatsRequest
	if err := decode(w, r, maxBulkBody, &body); err != nil {
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

// queryIDPage reads the page of a list by id: the id after which it starts and its length.
func queryIDPage(r *http.Request, kind string) (after int64, limit int, err error) {
	query, err := parseQuery(r)
	if err != nil {
		return 0, 0, err
	}
	if limit, err = queryLimit(query); err != nil {
		return 0, 0, err
	}
	key, err := queryCursor(query, kind, 1)
	switch {
	case err != nil || key == nil:
		return 0, limit, err
	case key[0] < 1:
		return 0, 0, domain.ErrInvalidCursor
	}
	return key[0], limit, nil
}

// errNothingToChange refuses a change that names none of the fields.
func errNothingToChange(fields string) error {
	return domain.ErrValidation.WithDetails("body: must have at least one field of " + fields)
}
