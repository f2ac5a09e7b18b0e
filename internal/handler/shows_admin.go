package handler

import (
	"net/http"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// ShowAdmin serves the admin routes for shows.
type ShowAdmin struct {
	catalog *service.Catalog
}

// NewShowAdmin returns a ShowAdmin over catalog.
func NewShowAdmin(catalog *service.Catalog) *ShowAdmin {
	return &ShowAdmin{catalog: catalog}
}

type createShowRequest struct {
	EventID   int64      `json:"event_id" validate:"gt=0"`
	VenueID   int64      `json:"venue_id" validate:"gt=0"`
	StartTime timeInput  `json:"start_time" validate:"required"`
	EndTime   timeInput  `json:"end_time" validate:"required"`
	Price     priceInput `json:"price" validate:"required"`
}

// updateShowRequest has any of the fields. Null leaves a field out.
type updateShowRequest struct {
	EventID   *int64      `json:"event_id" validate:"omitempty,gt=0"`
	VenueID   *int64      `json:"venue_id" validate:"omitempty,gt=0"`
	StartTime *timeInput  `json:"start_time"`
	EndTime   *timeInput  `json:"end_time"`
	Price     *priceInput `json:"price"`
}

type adminShowResponse struct {
	Show showDTO `json:"show"`
}

// Create serves POST /admin/shows.
func (h *ShowAdmin) Create(w http.ResponseWriter, r *http.Request) error {
	var body createShowRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	show, err := h.catalog.CreateShow(r.Context(), domain.Show{
		EventID: body.EventID, VenueID: body.VenueID,
		StartTime: time.Time(body.StartTime), EndTime: time.Time(body.EndTime), Price: domain.Money(body.Price),
	})
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, adminShowResponse{Show: toShow(show)})
}

// Update serves PUT /admin/shows/{id}.
func (h *ShowAdmin) Update(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	var body updateShowRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	if body == (updateShowRequest{}) {
		return errNothingToChange("event_id, venue_id, start_time, end_time, price")
	}
	show, err := h.catalog.UpdateShow(r.Context(), id, domain.ShowChange{
		EventID: body.EventID, VenueID: body.VenueID,
		StartTime: (*time.Time)(body.StartTime), EndTime: (*time.Time)(body.EndTime), Price: (*domain.Money)(body.Price),
	})
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, adminShowResponse{Show: toShow(show)})
}

// Delete serves DELETE /admin/shows/{id}.
func (h *ShowAdmin) Delete(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	if err := h.catalog.DeleteShow(r.Context(), id); err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, deletedResponse{Message: "Show deleted successfully"})
}
