package handler

import (
	"net/http"
	"time"

	"evently/internal/domain"
)

type createShowRequest struct {
	EventID   int64      `json:"event_id" validate:"gt=0"`
	VenueID   int64      `json:"venue_id" validate:"gt=0"`
	StartTime timeInput  `json:"start_time" validate:"required"`
	EndTime   timeInput  `json:"end_time" validate:"required"`
	Price     priceInput `json:"price" validate:"required"`
}

type updateShowRequest struct {
	EventID   *int64      `json:"event_id" validate:"omitempty,gt=0"`
	VenueID   *int64      `json:"venue_id" validate:"omitempty,gt=0"`
	StartTime *timeInput  `json:"start_time"`
	EndTime   *timeInput  `json:"end_time"`
	Price     *priceInput `json:"price"`
}

func (h *Catalog) CreateShow(w http.ResponseWriter, r *http.Request) error {
	var body createShowRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	show, err := h.catalog.CreateShow(r.Context(), domain.Show{
		EventID: body.EventID, VenueID: body.VenueID,
		StartTime: time.Time(body.StartTime), EndTime: time.Time(body.EndTime), Price: domain.Money(body.Price),
	})
	if err == nil {
		logObject(r, "show", show.ID)
	}
	return write(w, http.StatusCreated, envelope{"show": toShow(show)}, err)
}

func (h *Catalog) UpdateShow(w http.ResponseWriter, r *http.Request) error {
	var body updateShowRequest
	id, err := idAndBody(w, r, "show", maxBody, &body)
	if err != nil {
		return err
	}
	if body == (updateShowRequest{}) {
		return errNothingToChange("event_id, venue_id, start_time, end_time, price")
	}
	show, err := h.catalog.UpdateShow(r.Context(), id, domain.ShowChange{
		EventID: body.EventID, VenueID: body.VenueID,
		StartTime: (*time.Time)(body.StartTime), EndTime: (*time.Time)(body.EndTime), Price: (*domain.Money)(body.Price),
	})
	return write(w, http.StatusOK, envelope{"show": toShow(show)}, err)
}

func (h *Catalog) DeleteShow(w http.ResponseWriter, r *http.Request) error {
	return deleteByID(w, r, "show", h.catalog.DeleteShow, "Show deleted successfully")
}
