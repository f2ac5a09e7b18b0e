package handler

import (
	"encoding/json"
	"net/http"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// The headers of requests that may be repeated.
const (
	idempotencyKeyHeader      = "Idempotency-Key"
	idempotencyReplayedHeader = "Idempotency-Replayed"
)

// maxIdempotencyKey is the longest key, in bytes.
const maxIdempotencyKey = 255

// requestKey returns the idempotency key of a request of the user, the zero key if it has none. body is
// what a repeat must have in common with the first request, besides its path.
func requestKey(r *http.Request, userID int64, body []byte) (domain.RequestKey, error) {
	values := r.Header.Values(idempotencyKeyHeader)
	if len(values) == 0 {
		return domain.RequestKey{}, nil
	}
	invalid := domain.ErrInvalidParameter.WithDetails(idempotencyKeyHeader + ": must be 1 to 255 printable ASCII characters")
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

// bookingEncoder is a service.Encoder: it makes a body of what dto returns.
type bookingEncoder struct {
	request *http.Request
	dto     func(domain.BookingDetails) any
}

// Encode implements service.Encoder.
func (e bookingEncoder) Encode(booking domain.BookingDetails) (service.Response, error) {
	body, err := json.Marshal(e.dto(booking))
	return service.Response{Status: http.StatusOK, Body: body}, err
}

// EncodeError implements service.Encoder.
func (e bookingEncoder) EncodeError(err error) service.Response {
	status, body := respond.ErrorBody(e.request.Context(), err)
	return service.Response{Status: status, Body: body}
}

// writeResponse writes a response that the service has encoded.
func writeResponse(w http.ResponseWriter, response service.Response) {
	if response.Replayed {
		w.Header().Set(idempotencyReplayedHeader, "true")
	}
	respond.Raw(w, response.Status, response.Body)
}

// Replay writes the stored response of a request that is about to be refused for its turn, and reports
// whether there was one. It serves the waiting room in front of Lock.
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
	writeResponse(w, response)
	return true, nil
}
