package handler

import (
	"net/http"

	"evently/internal/respond"
	"evently/internal/service"
)

// Events serves the admin routes for events.
type Events struct {
	catalog *service.Catalog
}

// NewEvents returns Events over catalog.
func NewEvents(catalog *service.Catalog) *Events {
	return &Events{catalog: catalog}
}

type createEventRequest struct {
	Title lineInput `json:"title" validate:"required,max=255"`
}

// updateEventRequest has any of the fields, of which there is one. Null leaves it out.
type updateEventRequest struct {
	Title *lineInput `json:"title" validate:"omitempty,min=1,max=255"`
}

type eventResponse struct {
	Event eventDTO `json:"event"`
}

type eventsResponse struct {
	Events     []eventDTO `json:"events"`
	NextCursor *string    `json:"next_cursor"`
}

// Create serves POST /admin/events.
func (h *Events) Create(w http.ResponseWriter, r *http.Request) error {
	var body createEventRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	event, err := h.catalog.CreateEvent(r.Context(), string(body.Title))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, eventResponse{Event: toEvent(event)})
}

// List serves GET /admin/events.
func (h *Events) List(w http.ResponseWriter, r *http.Request) error {
	list := newList("events")
	after, limit, err := queryIDPage(r, list)
	if err != nil {
		return err
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

// Get serves GET /admin/events/{id}.
func (h *Events) Get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	event, err := h.catalog.Event(r.Context(), id)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, eventResponse{Event: toEvent(event)})
}

// Update serves PUT /admin/events/{id}.
func (h *Events) Update(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	var body updateEventRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	if body.Title == nil {
		return errNothingToChange("title")
	}
	event, err := h.catalog.UpdateEvent(r.Context(), id, string(*body.Title))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, eventResponse{Event: toEvent(event)})
}

// Delete serves DELETE /admin/events/{id}.
func (h *Events) Delete(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "id")
	if err != nil {
		return err
	}
	if err := h.catalog.DeleteEvent(r.Context(), id); err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, deletedResponse{Message: "Event deleted successfully"})
}
