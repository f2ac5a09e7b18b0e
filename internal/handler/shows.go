package handler

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"evently/internal/domain"
	"evently/internal/respcache"
	"evently/internal/seatmap"
	"evently/internal/service"
)

// Shows serves the public routes for finding a show and a seat. Responses do not depend on the caller,
// so they are cached.
type Shows struct {
	discover *service.Discover
	seats    *seatmap.Cache
	cache    *respcache.Cache // lists, searches and shows
}

// NewShows returns Shows over discover, with the given caches.
func NewShows(discover *service.Discover, seats *seatmap.Cache, cache *respcache.Cache) *Shows {
	return &Shows{discover: discover, seats: seats, cache: cache}
}

type showsResponse struct {
	Shows      []showDetailsDTO `json:"shows"`
	NextCursor *string          `json:"next_cursor"`
}

type showResponse struct {
	Show showDetailsDTO `json:"show"`
}

// List handles GET /shows: upcoming shows, soonest first.
func (h *Shows) List(w http.ResponseWriter, r *http.Request) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	list := newList("shows")
	limit, after, err := showsPage(query, list)
	if err != nil {
		return err
	}
	return h.serve(w, r, pageKey("upcoming", after, limit), func(ctx context.Context) (any, error) {
		shows, more, err := h.discover.Upcoming(ctx, after, limit)
		return toShows(shows, more, list), err
	})
}

// Search handles GET /shows/search. An empty parameter does not narrow the search.
func (h *Shows) Search(w http.ResponseWriter, r *http.Request) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	filter, err := showFilter(query)
	if err != nil {
		return err
	}
	key := searchKey(filter)
	list := newList("search", key)
	limit, after, err := showsPage(query, list)
	if err != nil {
		return err
	}
	return h.serve(w, r, pageKey(key, after, limit), func(ctx context.Context) (any, error) {
		shows, more, err := h.discover.Search(ctx, filter, after, limit)
		return toShows(shows, more, list), err
	})
}

// Get handles GET /shows/{show_id}.
func (h *Shows) Get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	return h.serve(w, r, "show "+strconv.FormatInt(id, 10), func(ctx context.Context) (any, error) {
		show, err := h.discover.Show(ctx, id)
		return showResponse{Show: toShowDetails(show)}, err
	})
}

// serve writes the cached response for key, or what load returns.
func (h *Shows) serve(w http.ResponseWriter, r *http.Request, key string, load func(ctx context.Context) (any, error)) error {
	body, err := h.cache.Get(r.Context(), key, load)
	if err != nil {
		return err
	}
	writeRevalidated(w, r, body)
	return nil
}

// pageKey returns the cache key of a page of a list.
func pageKey(list string, after *domain.ShowPosition, limit int) string {
	if after == nil {
		return fmt.Sprintf("%s %d", list, limit)
	}
	return fmt.Sprintf("%s %d %d %d", list, limit, after.StartTime.UnixMicro(), after.ShowID)
}

// searchKey identifies the filters of a search.
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

// Seats handles GET /shows/{show_id}/seats.
func (h *Shows) Seats(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	body, err := h.seats.Get(r.Context(), id)
	if err != nil {
		return err
	}
	writeRevalidated(w, r, body)
	return nil
}

// showFilter reads the filters of a search.
func showFilter(query url.Values) (filter domain.ShowFilter, err error) {
	if filter.Venue, err = queryText(query, "venue"); err != nil {
		return filter, err
	}
	if filter.Event, err = queryText(query, "event"); err != nil {
		return filter, err
	}
	if filter.From, filter.Until, err = queryTimeRange(query); err != nil {
		return filter, err
	}
	availability, err := queryOneOf(query, "availability", "available")
	filter.AvailableOnly = availability != ""
	return filter, err
}

// showsPage reads the limit and the cursor of a list of shows: start in microseconds, then id.
func showsPage(query url.Values, l listID) (limit int, after *domain.ShowPosition, err error) {
	if limit, err = queryLimit(query); err != nil {
		return 0, nil, err
	}
	key, err := l.queryCursor(query, 2)
	if err != nil || key == nil {
		return limit, nil, err
	}
	// Reject what no show can have: PostgreSQL may not be able to represent it.
	start := time.UnixMicro(key[0]).UTC()
	if start.Year() < 0 || start.Year() > 9999 || key[1] < 1 {
		return 0, nil, domain.ErrInvalidCursor
	}
	return limit, &domain.ShowPosition{StartTime: start, ShowID: key[1]}, nil
}

func toShows(shows []domain.ShowDetails, more bool, l listID) showsResponse {
	response := showsResponse{Shows: mapSlice(shows, toShowDetails)}
	if more {
		last := shows[len(shows)-1]
		response.NextCursor = l.cursor(last.StartTime.UnixMicro(), last.ID)
	}
	return response
}
