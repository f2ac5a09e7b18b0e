package handler

import (
	"net/http"
	"net/url"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// Shows answers the public routes that help people to find a show and a seat.
type Shows struct {
	discover *service.Discover
}

// NewShows gives the handlers over discover.
func NewShows(discover *service.Discover) *Shows { return &Shows{discover: discover} }

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
	limit, after, err := showsPage(query)
	if err != nil {
		return err
	}
	shows, more, err := h.discover.Upcoming(r.Context(), after, limit)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, toShows(shows, more))
}

// Search answers GET /shows/search. A parameter that is empty does not narrow the search, and
// a cursor that was made under another filter is still a place in time to go on from.
func (h *Shows) Search(w http.ResponseWriter, r *http.Request) error {
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	filter, err := showFilter(query)
	if err != nil {
		return err
	}
	limit, after, err := showsPage(query)
	if err != nil {
		return err
	}
	shows, more, err := h.discover.Search(r.Context(), filter, after, limit)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, toShows(shows, more))
}

// Get answers GET /shows/{show_id}.
func (h *Shows) Get(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	show, err := h.discover.Show(r.Context(), id)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, showResponse{Show: toShowDetails(show)})
}

// Seats answers GET /shows/{show_id}/seats.
func (h *Shows) Seats(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	seats, err := h.discover.Seats(r.Context(), id)
	if err != nil {
		return err
	}
	body, err := encodeSeatMap(seats)
	if err != nil {
		return err
	}
	return writeRevalidated(w, r, body)
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

// showsCursor is the kind of the cursors of lists of shows: start in microseconds, then id.
const showsCursor = "shows"

// showsPage reads the limit and the place of a list of shows.
func showsPage(query url.Values) (limit int, after *domain.ShowPosition, err error) {
	if limit, err = queryLimit(query); err != nil {
		return 0, nil, err
	}
	key, err := queryCursor(query, showsCursor, 2)
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

func toShows(shows []domain.ShowDetails, more bool) showsResponse {
	response := showsResponse{Shows: mapSlice(shows, toShowDetails)}
	if more {
		last := shows[len(shows)-1]
		response.NextCursor = encodeCursor(showsCursor, last.StartTime.UnixMicro(), last.ID)
	}
	return response
}
