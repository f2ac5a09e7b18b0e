package handler

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// ShowAdmin answers the admin routes for shows.
type ShowAdmin struct {
	catalog *service.Catalog
}

// NewShowAdmin gives a ShowAdmin over catalog.
func NewShowAdmin(catalog *service.Catalog) *ShowAdmin {
	return &ShowAdmin{catalog: catalog}
}

type createShowRequest struct {
	EventID   int64       `json:"event_id" validate:"gt=0"`
	VenueID   int64       `json:"venue_id" validate:"gt=0"`
	StartTime momentInput `json:"start_time" validate:"required,moment"`
	EndTime   momentInput `json:"end_time" validate:"required,moment"`
	Price     priceInput  `json:"price" validate:"required,money"`
}

// updateShowRequest takes any of the fields. A null is a field that is left out: no field of a
// show can be unset.
type updateShowRequest struct {
	EventID   *int64       `json:"event_id" validate:"omitempty,gt=0"`
	VenueID   *int64       `json:"venue_id" validate:"omitempty,gt=0"`
	StartTime *momentInput `json:"start_time" validate:"omitempty,moment"`
	EndTime   *momentInput `json:"end_time" validate:"omitempty,moment"`
	Price     *priceInput  `json:"price" validate:"omitempty,money"`
}

type adminShowResponse struct {
	Show showDTO `json:"show"`
}

// Create answers POST /admin/shows.
func (h *ShowAdmin) Create(w http.ResponseWriter, r *http.Request) error {
	var body createShowRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	start, startErr := body.StartTime.time()
	end, endErr := body.EndTime.time()
	price, priceErr := body.Price.money()
	if err := errors.Join(startErr, endErr, priceErr); err != nil {
		return domain.ErrInternal.WithCause(err)
	}
	show, err := h.catalog.CreateShow(r.Context(), domain.Show{
		EventID: body.EventID, VenueID: body.VenueID, StartTime: start, EndTime: end, Price: price,
	})
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusCreated, adminShowResponse{Show: toShow(show)})
}

// Update answers PUT /admin/shows/{id}.
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
	change, err := body.change()
	if err != nil {
		return domain.ErrInternal.WithCause(err)
	}
	show, err := h.catalog.UpdateShow(r.Context(), id, change)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, adminShowResponse{Show: toShow(show)})
}

// Delete answers DELETE /admin/shows/{id}.
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

// change gives what a validated request asks for.
func (r updateShowRequest) change() (domain.ShowChange, error) {
	start, startErr := optional(r.StartTime, momentInput.time)
	end, endErr := optional(r.EndTime, momentInput.time)
	price, priceErr := optional(r.Price, priceInput.money)
	return domain.ShowChange{
		EventID: r.EventID, VenueID: r.VenueID, StartTime: start, EndTime: end, Price: price,
	}, errors.Join(startErr, endErr, priceErr)
}

// optional applies f to what is there.
func optional[A, B any](in *A, f func(A) (B, error)) (out *B, err error) {
	if in != nil {
		out = new(B)
		*out, err = f(*in)
	}
	return out, err
}

// momentInput is a time in a request, as it was written, quotes included. Only the validator
// judges it, so that the fault is reported with the name of the field.
type momentInput string

// Years that a show can be in: beyond them somebody mistyped.
const (
	firstYear = 2000
	lastYear  = 2199
)

// UnmarshalJSON keeps the raw text. What is not a string so fails to validate.
func (m *momentInput) UnmarshalJSON(raw []byte) error {
	if string(raw) != "null" {
		*m = momentInput(raw)
	}
	return nil
}

var errMoment = errors.New("not a moment of these centuries")

// rfc3339 is what time.Parse would take with a comma, or an hour of one digit, as well.
var rfc3339 = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"$`)

// time gives the moment in UTC, to the microsecond that the database keeps.
func (m momentInput) time() (time.Time, error) {
	if !rfc3339.MatchString(string(m)) {
		return time.Time{}, errMoment
	}
	moment, err := time.Parse(time.RFC3339, strings.Trim(string(m), `"`))
	if err != nil {
		return time.Time{}, err
	}
	moment = moment.UTC().Truncate(time.Microsecond)
	if year := moment.Year(); year < firstYear || year > lastYear {
		return time.Time{}, errMoment
	}
	return moment, nil
}
