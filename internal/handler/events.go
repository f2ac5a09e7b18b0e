package handler

import (
	"net/http"

	"evently/internal/domain"
)

type createEventRequest struct {
	Title lineInput `json:"title" validate:"required,max=255"`
}

type updateEventRequest struct {
	Title *lineInput `json:"title" validate:"omitempty,min=1,max=255"`
}

func (h *Catalog) CreateEvent(w http.ResponseWriter, r *http.Request) error {
	var body createEventRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	event, err := h.catalog.CreateEvent(r.Context(), string(body.Title))
	if err == nil {
		logObject(r, "event", event.ID)
	}
	return write(w, http.StatusCreated, envelope{"event": toEvent(event)}, err)
}

func (h *Catalog) ListEvents(w http.ResponseWriter, r *http.Request) error {
	return listByID(w, r, "events", h.catalog.ListEvents, toEvent, func(e domain.Event) int64 { return e.ID })
}

func (h *Catalog) Event(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "event_id")
	if err != nil {
		return err
	}
	event, err := h.catalog.Event(r.Context(), id)
	return write(w, http.StatusOK, envelope{"event": toEvent(event)}, err)
}

func (h *Catalog) UpdateEvent(w http.ResponseWriter, r *http.Request) error {
	var body updateEventRequest
	id, err := idAndBody(w, r, "event", maxBody, &body)
	if err != nil {
		return err
	}
	if body.Title == nil {
		return errNothingToChange("title")
	}
	event, err := h.catalog.UpdateEvent(r.Context(), id, string(*body.Title))
	return write(w, http.StatusOK, envelope{"event": toEvent(event)}, err)
}

func (h *Catalog) DeleteEvent(w http.ResponseWriter, r *http.Request) error {
	return deleteByID(w, r, "event", h.catalog.DeleteEvent, "Event deleted successfully")
}
