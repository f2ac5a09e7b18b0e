package handler

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

const (
	idempotencyKeyHeader      = "Idempotency-Key"
	idempotencyReplayedHeader = "Idempotency-Replayed"
)

const maxIdempotencyKey = 255 // bytes

// requestKey returns the idempotency key of a request, or the zero key. A repeat must have the same path and body.
func requestKey(r *http.Request, userID int64, body []byte) (domain.RequestKey, error) {
	values := r.Header.Values(idempotencyKeyHeader)
	if len(values) == 0 {
		return domain.RequestKey{}, nil
	}
	invalid := invalidParameter(idempotencyKeyHeader, "must be 1 to 255 printable ASCII characters")
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxIdempotencyKey {
		return domain.RequestKey{}, invalid
	}
	for _, c := range []byte(values[0]) {
		if c < ' ' || c > '~' {
			return domain.RequestKey{}, invalid
		}
	}
	return domain.RequestKey{
		UserID:      userID,
		Route:       r.Method + " " + chi.RouteContext(r.Context()).RoutePattern(),
		Key:         values[0],
		Fingerprint: domain.Fingerprint(r.URL.Path, body),
	}, nil
}

// bookingEncoder encodes the responses that the service stores.
type bookingEncoder struct {
	request *http.Request
	body    func(domain.BookingDetails) envelope
}

func (e bookingEncoder) Encode(booking domain.BookingDetails) (service.Response, error) {
	body, err := json.Marshal(e.body(booking))
	return service.Response{Status: http.StatusOK, Body: body}, err
}

func (e bookingEncoder) EncodeError(err error) service.Response {
	status, body := respond.ErrorBody(e.request.Context(), err)
	return service.Response{Status: status, Body: body}
}

func writeResponse(w http.ResponseWriter, response service.Response, err error) error {
	if err != nil {
		return err
	}
	if response.Replayed {
		w.Header().Set(idempotencyReplayedHeader, "true")
	}
	respond.Raw(w, response.Status, response.Body)
	return nil
}

// Replay writes the stored response of a request that the waiting room would refuse, and reports whether there is one.
func (h *Bookings) Replay(w http.ResponseWriter, r *http.Request, body []byte) (bool, error) {
	userID, err := signedIn(r)
	if err != nil {
		return false, err
	}
	key, err := requestKey(r, userID, body)
	if err != nil {
		return false, err
	}
	response, err := h.bookings.Replay(r.Context(), key)
	if err != nil || response.IsZero() {
		return false, err
	}
	return true, writeResponse(w, response, nil)
}
