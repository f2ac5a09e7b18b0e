package handler

import (
	"fmt"
	"net/http"
	"unicode/utf8"

	"evently/internal/domain"
)

type seatEditsRequest struct {
	Seats []seatEditRequest `json:"seats" validate:"required,min=1,max=10000,dive"`
}

// seatEditRequest names a seat by its id or, without one, by its guid. What is absent stays as it is.
type seatEditRequest struct {
	SeatID         int64                `json:"seat_id" validate:"min=0"`
	SeatGUID       nullable[labelInput] `json:"seat_guid"`
	SeatLabel      *labelInput          `json:"seat_label" validate:"omitempty,min=1,max=16"`
	Category       nullable[lineInput]  `json:"category"`
	X              nullable[float64]    `json:"x"`
	Y              nullable[float64]    `json:"y"`
	Accessible     *bool                `json:"accessible"`
	Companion      *bool                `json:"companion"`
	RestrictedView *bool                `json:"restricted_view"`
}

func (r *seatEditRequest) edit() (domain.SeatEdit, error) {
	edit := domain.SeatEdit{
		ID: r.SeatID, Label: (*string)(r.SeatLabel),
		Accessible: r.Accessible, Companion: r.Companion, RestrictedView: r.RestrictedView,
	}
	guid, err := textOrNone(r.SeatGUID, "seat_guid", 255)
	if err != nil {
		return edit, err
	}
	switch {
	case r.SeatID > 0:
		edit.NewGUID = guid
	case guid != nil && *guid != "":
		edit.GUID = *guid
	default:
		return edit, inputError("seat_id: is required, or seat_guid")
	}
	if edit.Category, err = textOrNone(r.Category, "category", 64); err != nil {
		return edit, err
	}
	if edit.X, err = positionOrNone(r.X, "x"); err != nil {
		return edit, err
	}
	edit.Y, err = positionOrNone(r.Y, "y")
	return edit, err
}

// textOrNone returns nil for an absent field and "" for null.
func textOrNone[T ~string](n nullable[T], name string, most int) (*string, error) {
	switch {
	case !n.Set:
		return nil, nil //nolint:nilnil // nothing is to be changed
	case n.Value == nil:
		return new(string), nil
	case *n.Value == "":
		return nil, inputError(name + ": must have at least 1 characters")
	case utf8.RuneCountInString(string(*n.Value)) > most:
		return nil, inputError(fmt.Sprintf("%s: must have at most %d characters", name, most))
	}
	return new(string(*n.Value)), nil
}

// maxPosition bounds x and y of a seat.
const maxPosition = 1_000_000

// positionOrNone returns nil for an absent field and a pointer to nil for null.
func positionOrNone(n nullable[float64], name string) (**float64, error) {
	if !n.Set {
		return nil, nil //nolint:nilnil // nothing is to be changed
	}
	if n.Value != nil && (*n.Value < -maxPosition || *n.Value > maxPosition) {
		return nil, inputError(fmt.Sprintf("%s: must be from -%d to %d", name, maxPosition, maxPosition))
	}
	return &n.Value, nil
}

// UpdateSeats changes seats of a venue in all but their places.
func (h *Catalog) UpdateSeats(w http.ResponseWriter, r *http.Request) error {
	var body seatEditsRequest
	id, err := idAndBody(w, r, "venue", maxBulkBody, &body)
	if err != nil {
		return err
	}
	edits := make([]domain.SeatEdit, len(body.Seats))
	var details []string
	for i := range body.Seats {
		if edits[i], err = body.Seats[i].edit(); err != nil {
			details = append(details, fmt.Sprintf("seats[%d].%s", i, err))
		}
	}
	if len(details) > 0 {
		return domain.ErrValidation.WithDetails(details[:min(len(details), maxDetails)]...)
	}
	changed, err := h.catalog.UpdateSeats(r.Context(), id, edits)
	return write(w, http.StatusOK, envelope{"changed": changed}, err)
}
