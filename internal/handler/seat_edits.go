package handler

import (
	"fmt"
	"net/http"

	"evently/internal/domain"
)

type seatEditsRequest struct {
	Seats []seatEditRequest `json:"seats" validate:"required,min=1,max=10000,dive"`
}

// seatEditRequest names a seat by its id or, without one, by its guid. What is absent stays as it is.
type seatEditRequest struct {
	SeatID         int64                `json:"seat_id" validate:"min=0"`
	SeatGUID       nullable[labelInput] `json:"seat_guid" validate:"omitnil,min=1,max=255"`
	SeatLabel      *labelInput          `json:"seat_label" validate:"omitempty,min=1,max=16"`
	Category       nullable[lineInput]  `json:"category" validate:"omitnil,min=1,max=64"`
	X              nullable[float64]    `json:"x" validate:"omitnil,position"`
	Y              nullable[float64]    `json:"y" validate:"omitnil,position"`
	Accessible     *bool                `json:"accessible"`
	Companion      *bool                `json:"companion"`
	RestrictedView *bool                `json:"restricted_view"`
}

func (r *seatEditRequest) edit() (domain.SeatEdit, error) {
	edit := domain.SeatEdit{
		ID: r.SeatID, Label: (*string)(r.SeatLabel), Category: textOrNone(r.Category),
		Accessible: r.Accessible, Companion: r.Companion, RestrictedView: r.RestrictedView,
	}
	if r.X.Set {
		edit.X = &r.X.Value
	}
	if r.Y.Set {
		edit.Y = &r.Y.Value
	}
	switch {
	case r.SeatID > 0:
		edit.NewGUID = textOrNone(r.SeatGUID)
	case r.SeatGUID.Value != nil:
		edit.GUID = string(*r.SeatGUID.Value)
	default:
		return edit, inputError("seat_id: is required, or seat_guid")
	}
	return edit, nil
}

// textOrNone returns nil for an absent field and "" for null.
func textOrNone[T ~string](n nullable[T]) *string {
	switch {
	case n.Value != nil:
		return new(string(*n.Value))
	case n.Set:
		return new(string)
	default:
		return nil
	}
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
