package handler

import (
	"net/http"

	"evently/internal/respond"
)

type createEventRequest struct {
	Title lineInput `json:"title" validate:"required,max=255"`
}

type updateEventRequest struct {
	Title *lineInput `json:"title" validate:"omitempty,min=1,max=255"`
}

type eventsResponse struct {
	Events     []eventDTO `json:"events"`
	NextCursor *string    `json:"next_cursor"`
}

// CreateEvent serves POST /admin/events.
func (h *Catalog) CreateEvent(w http.ResponseWriter, r *http.Request) error {
	var body createEventRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	event, err := h.catalog.CreateEvent(r.Context(), string(body.Title))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, envelope{"event": toEvent(event)})
}

// ListEvents serves GET /admin/events.
func (h *Catalog) ListEvents(w http.ResponseWriter, r *http.Request) error {
	list := newList("events")
	q := readQuery(r)
	limit, after := q.limit(), q.afterID(list)
	if q.err != nil {
		return q.err
	}
	events, more, err := h.catalog.ListEvents(r.Context(), after, limit)
	if err != nil {
		return err
	}
	response := eventsResponse{Events: mapSlice(events, toEvent)}
	if more {
		response.NextCursor = list.cursor(events[len(events)-1].ID)
	}
	return respond.JSON(w, http.StatusOK, response)
}

// Event serves GET /admin/events/{id}.
func (h *Catalog) Event(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	event, err := h.catalog.Event(r.Context(), id)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, envelope{"event": toEvent(event)})
}

// UpdateEvent serves PUT /admin/events/{id}.
func (h *Catalog) UpdateEvent(w http.ResponseWriter, r *http.Request) error {
	var body updateEventRequest
	id, err := idAndBody(w, r, maxBody, &body)
	if err != nil {
		return err
	}
	if body.Title == nil {
		return errNothingToChange("title")
	}
	event, err := h.catalog.UpdateEvent(r.Context(), id, string(*body.Title))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, envelope{"event": toEvent(event)})
}

// DeleteEvent serves DELETE /admin/events/{id}.
func (h *Catalog) DeleteEvent(w http.ResponseWriter, r *http.Request) error {
	return deleteByID(w, r, h.catalog.DeleteEvent, "Event deleted successfully")
}
