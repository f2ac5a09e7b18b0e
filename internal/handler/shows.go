package handler

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"evently/internal/domain"
	"evently/internal/respcache"
	"evently/internal/seatmap"
	"evently/internal/service"
)

// Shows serves the public routes for finding a show and a seat. Responses are the same for all callers and cached.
type Shows struct {
	shows service.ShowReader
	seats *seatmap.Cache
	cache *respcache.Cache // lists, searches and shows
}

// NewShows returns Shows over shows, with the given caches.
func NewShows(shows service.ShowReader, seats *seatmap.Cache, cache *respcache.Cache) *Shows {
	return &Shows{shows: shows, seats: seats, cache: cache}
}

type showsResponse struct {
	Shows      []showDetailsDTO `json:"shows"`
	NextCursor *string          `json:"next_cursor"`
}

func (h *Shows) List(w http.ResponseWriter, r *http.Request) error {
	list := newList("shows")
	q := readQuery(r)
	limit, after := q.limit(), q.afterShow(list)
	if q.err != nil {
		return q.err
	}
	return h.serve(w, r, pageKey("upcoming", after, limit), func(ctx context.Context) (any, error) {
		shows, more, err := h.shows.Shows(ctx, domain.ShowFilter{}, after, limit)
		return toShows(shows, more, list), err
	})
}

func (h *Shows) Search(w http.ResponseWriter, r *http.Request) error {
	q := readQuery(r)
	filter := domain.ShowFilter{Venue: q.text("venue"), Event: q.text("event")}
	filter.From, filter.Until = q.timeRange()
	filter.AvailableOnly = q.oneOf("availability", "available") != ""
	key := searchKey(filter)
	list := newList("search", key)
	limit, after := q.limit(), q.afterShow(list)
	if q.err != nil {
		return q.err
	}
	return h.serve(w, r, pageKey(key, after, limit), func(ctx context.Context) (any, error) {
		shows, more, err := h.shows.Shows(ctx, filter, after, limit)
		return toShows(shows, more, list), err
	})
}

func (h *Shows) Get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	return h.serve(w, r, "show "+strconv.FormatInt(id, 10), func(ctx context.Context) (any, error) {
		show, err := h.shows.Show(ctx, id)
		return envelope{"show": toShowDetails(show)}, err
	})
}

func (h *Shows) serve(
	w http.ResponseWriter, r *http.Request, key string, load func(ctx context.Context) (any, error),
) error {
	body, err := h.cache.Get(r.Context(), key, load)
	if err != nil {
		return err
	}
	writeRevalidated(w, r, jsonType, body)
	return nil
}

func pageKey(list string, after *domain.ShowPosition, limit int) string {
	if after == nil {
		return fmt.Sprintf("%s %d", list, limit)
	}
	return fmt.Sprintf("%s %d %d %d", list, limit, after.StartTime.UnixMicro(), after.ShowID)
}

func searchKey(filter domain.ShowFilter) string {
	timestamp := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("search %q %q %s %s %t", filter.Venue, filter.Event,
		timestamp(filter.From), timestamp(filter.Until), filter.AvailableOnly)
}

func (h *Shows) Seats(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	body, err := h.seats.Get(r.Context(), id)
	if err != nil {
		return err
	}
	writeRevalidated(w, r, jsonType, body)
	return nil
}

// afterShow returns the start and the id in `cursor`, or nil at the head of the list.
func (q *query) afterShow(l listID) *domain.ShowPosition {
	key := q.cursor(l, 2)
	if key == nil {
		return nil
	}
	position := domain.ShowPosition{StartTime: time.UnixMicro(key[0]).UTC(), ShowID: key[1]}
	// PostgreSQL may not be able to represent other times.
	if year := position.StartTime.Year(); year < 0 || year > 9999 || position.ShowID < 1 {
		q.fail(domain.ErrInvalidCursor)
	}
	return &position
}

func toShows(shows []domain.ShowDetails, more bool, l listID) showsResponse {
	response := showsResponse{Shows: mapSlice(shows, toShowDetails)}
	if more {
		last := shows[len(shows)-1]
		response.NextCursor = l.cursor(last.StartTime.UnixMicro(), last.ID)
	}
	return response
}
