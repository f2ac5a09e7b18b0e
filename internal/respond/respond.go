// Package respond writes JSON responses. It is the one place where an error becomes a status.
package respond

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"

	"evently/internal/domain"
)

// RequestIDHeader carries the request id on every response.
const RequestIDHeader = "X-Request-ID"

// JSON writes v with the given status. It fails, and writes nothing, when v cannot be encoded.
func JSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return domain.ErrInternal.WithCause(err)
	}
	Raw(w, status, body)
	return nil
}

// Raw writes an encoded JSON body.
func Raw(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error is a client that has gone
}

var statuses = map[domain.Kind]int{
	domain.KindInternal:        http.StatusInternalServerError,
	domain.KindInvalid:         http.StatusBadRequest,
	domain.KindUnauthenticated: http.StatusUnauthorized,
	domain.KindPaymentRequired: http.StatusPaymentRequired,
	domain.KindForbidden:       http.StatusForbidden,
	domain.KindNotFound:        http.StatusNotFound,
	kindMethodNotAllowed:       http.StatusMethodNotAllowed,
	domain.KindConflict:        http.StatusConflict,
	domain.KindExpired:         http.StatusGone,
	kindBodyTooLarge:           http.StatusRequestEntityTooLarge,
	kindMediaType:              http.StatusUnsupportedMediaType,
	domain.KindKeyReused:       http.StatusUnprocessableEntity,
	domain.KindLimited:         http.StatusTooManyRequests,
	domain.KindUnavailable:     http.StatusServiceUnavailable,
}

// statusClientGone is logged, and never sent, for a client that has disconnected.
const statusClientGone = 499

func codedError(err error) *domain.Error {
	var coded *domain.Error
	if errors.As(err, &coded) {
		return coded
	}
	return domain.ErrInternal.WithCause(err)
}

// Error writes err in the standard shape, and logs it if the client did not cause it.
func Error(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		w.WriteHeader(statusClientGone)
		return
	}
	coded := codedError(err)
	switch coded.Kind {
	case domain.KindInternal:
		log.ErrorContext(r.Context(), "request failed", "code", coded.Code, "error", err.Error())
	case domain.KindUnavailable:
		log.WarnContext(r.Context(), "service unavailable", "code", coded.Code, "error", err.Error())
	case domain.KindUnauthenticated:
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if coded.RetryAfter > 0 {
		// Rounded up: a client that retries too early is refused again.
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(coded.RetryAfter.Seconds()))))
	}
	status, body := ErrorBody(r.Context(), coded)
	Raw(w, status, body)
}

// ErrorBody returns the status and the body that Error writes for err in a request of ctx.
func ErrorBody(ctx context.Context, err error) (status int, body []byte) {
	coded := codedError(err)
	members := make(map[string]any, len(coded.Fields)+4)
	for _, field := range coded.Fields {
		members[field.Name] = field.Value
	}
	members["message"] = coded.Message
	members["code"] = coded.Code
	members["request_id"] = domain.RequestFrom(ctx).ID
	if len(coded.Details) > 0 {
		members["details"] = coded.Details
	}
	body, encodeErr := json.Marshal(members)
	if encodeErr != nil { // a field that JSON has no form for
		return ErrorBody(ctx, domain.ErrInternal)
	}
	return statuses[coded.Kind], body
}

// Handler is an http.HandlerFunc that may fail.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Adapt writes the error of h, if any, as the response.
func Adapt(log *slog.Logger, h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Error(w, r, log, err)
		}
	}
}
