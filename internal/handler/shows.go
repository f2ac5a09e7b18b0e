package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"evently/internal/cache"
	"evently/internal/domain"
	"evently/internal/service"
)

// Shows answers the public routes that help people to find a show and a seat. Nothing in them
// depends on who asks, so what one person was answered is good for the next.
type Shows struct {
	discover *service.Discover
	seats    *cache.SeatMaps
	answers  *cache.Answers
}

// NewShows gives the handlers over discover, which keep their answers in seats and in answers.
func NewShows(discover *service.Discover, seats *cache.SeatMaps, answers *cache.Answers) *Shows {
	return &Shows{discover: discover, seats: seats, answers: answers}
}

type showsResponse struct {
	Shows      []showDetailsDTO `json:"shows"`
	NextCursor *string          `json:"next_cursor"`
}

type showResponse struct {
	Show showDetailsDTO `json:"show"`
}

// List answers GET /shows: upcoming shows, soonest first.
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
	return h.answer(w, r, pageKey("upcoming", after, limit), func(ctx context.Context) (any, error) {
		shows, more, err := h.discover.Upcoming(ctx, after, limit)
		return toShows(shows, more, list), err
	})
}

// Search serves GET /shows/search. A parameter that is empty does not narrow the search.
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
	return h.answer(w, r, pageKey(key, after, limit), func(ctx context.Context) (any, error) {
		shows, more, err := h.discover.Search(ctx, filter, after, limit)
		return toShows(shows, more, list), err
	})
}

// Get answers GET /shows/{show_id}.
func (h *Shows) Get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	return h.answer(w, r, "show "+strconv.FormatInt(id, 10), func(ctx context.Context) (any, error) {
		show, err := h.discover.Show(ctx, id)
		return showResponse{Show: toShowDetails(show)}, err
	})
}

// answer gives what is kept under key, or what ask gives.
func (h *Shows) answer(w http.ResponseWriter, r *http.Request, key string, ask func(ctx context.Context) (any, error)) error {
	body, err := h.answers.Get(r.Context(), key, encoded(ask))
	if err != nil {
		return err
	}
	writeRevalidated(w, r, body)
	return nil
}

// encoded makes a Body of what ask gives.
func encoded(ask func(ctx context.Context) (any, error)) func(ctx context.Context) (*cache.Body, error) {
	return func(ctx context.Context) (*cache.Body, error) {
		answer, err := ask(ctx)
		if err != nil {
			return nil, err
		}
		plain, err := json.Marshal(answer)
		if err != nil {
			return nil, domain.ErrInternal.WithCause(err)
		}
		return cache.NewBody(plain), nil
	}
}

// pageKey tells one page of a list from all others.
func pageKey(list string, after *domain.ShowPosition, limit int) string {
	if after == nil {
		return fmt.Sprintf("%s %d", list, limit)
	}
	return fmt.Sprintf("%s %d %d %d", list, limit, after.StartTime.UnixMicro(), after.ShowID)
}

// searchKey identifies the filters of a search.
func searchKey(filter domain.ShowFilter) string {
	moment := func(t *time.Time) string {
		if t == nil {
			return "-"
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("search %q %q %s %s %t", filter.Venue, filter.Event,
		moment(filter.From), moment(filter.Until), filter.AvailableOnly)
}

// Seats answers GET /shows/{show_id}/seats.
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

// showFilter reads what narrows a search.
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
	// What no show can have was not made here, and may be more than the database can hold.
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
