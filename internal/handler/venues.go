package handler

import (
	"errors"
	"net/http"

	"evently/internal/domain"
	"evently/internal/seatmap"
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
	Seats []seatRequest `json:"seats" validate:"required,min=1,max=10000,dive"`
}

func (r seatsRequest) places() []domain.SeatPlace {
	return mapSlice(r.specs(), func(s domain.SeatSpec) domain.SeatPlace { return s.SeatPlace })
}

func (r seatsRequest) specs() []domain.SeatSpec { return mapSlice(r.Seats, seatRequest.spec) }

// seatRequest is a seat as an admin names it.
type seatRequest struct {
	Section        labelInput  `json:"section" validate:"max=64"`
	SeatRow        labelInput  `json:"seat_row" validate:"required,max=16"`
	SeatNumber     int32       `json:"seat_number" validate:"gt=0"`
	SeatLabel      labelInput  `json:"seat_label" validate:"max=16"`
	Category       *lineInput  `json:"category" validate:"omitempty,min=1,max=64"`
	X              *float64    `json:"x" validate:"omitempty,position"`
	Y              *float64    `json:"y" validate:"omitempty,position"`
	Accessible     bool        `json:"accessible"`
	Companion      bool        `json:"companion"`
	RestrictedView bool        `json:"restricted_view"`
	SeatGUID       *labelInput `json:"seat_guid" validate:"omitempty,min=1,max=255"`
}

func (r seatRequest) spec() domain.SeatSpec {
	spec := domain.SeatSpec{
		SeatPlace: domain.SeatPlace{Section: string(r.Section), Row: string(r.SeatRow), Number: r.SeatNumber},
		Label:     string(r.SeatLabel),
		X:         r.X, Y: r.Y,
		Accessible: r.Accessible, Companion: r.Companion, RestrictedView: r.RestrictedView,
	}
	if r.Category != nil {
		spec.Category = string(*r.Category)
	}
	if r.SeatGUID != nil {
		spec.GUID = string(*r.SeatGUID)
	}
	return spec
}

func (h *Catalog) CreateVenue(w http.ResponseWriter, r *http.Request) error {
	var body createVenueRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	venue, err := h.catalog.CreateVenue(r.Context(), string(body.VenueName), string(body.Address))
	if err == nil {
		logObject(r, "venue", venue.ID)
	}
	return write(w, http.StatusCreated, envelope{"venue": toVenue(venue)}, err)
}

func (h *Catalog) ListVenues(w http.ResponseWriter, r *http.Request) error {
	return listByID(w, r, "venues", h.catalog.ListVenues, toVenue, func(v domain.Venue) int64 { return v.ID })
}

func (h *Catalog) Venue(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "venue_id")
	if err != nil {
		return err
	}
	venue, seats, err := h.catalog.Venue(r.Context(), id)
	return write(w, http.StatusOK, envelope{"venue": toVenue(venue), "seats": mapSlice(seats, seatmap.ToSeat)}, err)
}

func (h *Catalog) UpdateVenue(w http.ResponseWriter, r *http.Request) error {
	var body updateVenueRequest
	id, err := idAndBody(w, r, "venue", maxBody, &body)
	if err != nil {
		return err
	}
	if body == (updateVenueRequest{}) {
		return errNothingToChange("venue_name, address")
	}
	change := domain.VenueChange{Name: (*string)(body.VenueName), Address: (*string)(body.Address)}
	venue, err := h.catalog.UpdateVenue(r.Context(), id, change)
	return write(w, http.StatusOK, envelope{"venue": toVenue(venue)}, err)
}

func (h *Catalog) DeleteVenue(w http.ResponseWriter, r *http.Request) error {
	return deleteByID(w, r, "venue", h.catalog.DeleteVenue, "Venue deleted successfully")
}

func (h *Catalog) AddSeats(w http.ResponseWriter, r *http.Request) error {
	var body seatsRequest
	id, err := idAndBody(w, r, "venue", maxBulkBody, &body)
	if err != nil {
		return err
	}
	added, err := h.catalog.AddSeats(r.Context(), id, body.specs())
	return write(w, http.StatusCreated, envelope{"message": "Seats added successfully", "added_count": added}, err)
}

func (h *Catalog) DeleteSeats(w http.ResponseWriter, r *http.Request) error {
	var body seatsRequest
	id, err := idAndBody(w, r, "venue", maxBulkBody, &body)
	if err != nil {
		return err
	}
	deleted, inUse, err := h.catalog.DeleteSeats(r.Context(), id, body.places())
	if errors.Is(err, domain.ErrSeatsInUse) {
		return domain.ErrSeatsInUse.WithCause(err).With("conflicting_seats", mapSlice(inUse, seatmap.ToSeat))
	}
	return write(w, http.StatusOK, envelope{
		"message":       "Seats deleted successfully",
		"deleted_count": len(deleted),
		"deleted_seats": mapSlice(deleted, seatmap.ToSeat),
	}, err)
}
