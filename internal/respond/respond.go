// Package respond writes JSON answers. It is the one place where an error becomes a status.
package respond

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"evently/internal/domain"
)

// RequestIDHeader carries the request id on every answer.
const RequestIDHeader = "X-Request-ID"

// TurnedAway is the message of the line about a request that met a store that is away or more
// requests than can be served, and CodeKey its attribute that says which. There is one for each such
// request, and there can be very many of them: whoever writes lines may leave out most.
const (
	TurnedAway = "request turned away"
	CodeKey    = "code"
)

// JSON writes v with the given status.
func JSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return domain.ErrInternal.WithCause(err)
	}
	Raw(w, status, body)
	return nil
}

// Raw writes a body that is JSON already.
func Raw(w http.ResponseWriter, status int, body []byte) {
	head(w, status, len(body))
	// An error here is a client that went away: there is nobody left to tell.
	_, _ = w.Write(body)
}

// Parts writes a body that is JSON already, and comes in parts of length bytes together.
func Parts(w http.ResponseWriter, status, length int, parts [][]byte) {
	head(w, status, length)
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return
		}
	}
}

// contentType is shared by all answers: a full slice, which Header.Add copies and does not write to.
var contentType = []string{"application/json; charset=utf-8"}

func head(w http.ResponseWriter, status, length int) {
	header := w.Header()
	header["Content-Type"] = contentType
	header["Content-Length"] = []string{strconv.Itoa(length)}
	w.WriteHeader(status)
}

// statuses is the whole mapping from kinds of error to HTTP.
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
	kindUnsupportedMediaType:   http.StatusUnsupportedMediaType,
	domain.KindKeyReused:       http.StatusUnprocessableEntity,
	domain.KindLimited:         http.StatusTooManyRequests,
	domain.KindUnavailable:     http.StatusServiceUnavailable,
}

// statusClientGone is what the access log shows for a request whose client did not wait for
// the answer. It is never sent to anybody.
const statusClientGone = 499

// Status gives the status and the coded form of any error.
func Status(err error) (int, *domain.Error) {
	var coded *domain.Error
	if !errors.As(err, &coded) {
		coded = domain.ErrInternal.WithCause(err)
	}
	return statuses[coded.Kind], coded
}

// Error writes err in the standard shape and logs it once if it is our fault or a store's.
func Error(w http.ResponseWriter, r *http.Request, log *slog.Logger, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		w.WriteHeader(statusClientGone)
		return
	}
	status, coded := Status(err)
	switch {
	case coded.Kind == domain.KindUnavailable:
		log.WarnContext(r.Context(), TurnedAway, CodeKey, coded.Code, "error", err.Error())
	case status >= http.StatusInternalServerError:
		log.ErrorContext(r.Context(), "request failed", CodeKey, coded.Code, "error", err.Error())
	}

	header := w.Header()
	if status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	if coded.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(retryAfterSeconds(coded.RetryAfter), 10))
	}
	Raw(w, status, Body(coded, header.Get(RequestIDHeader)))
}

// Body gives the standard shape of e as the answer to a request of this id.
func Body(e *domain.Error, requestID string) []byte {
	body := make([]byte, 0, usualBody)
	body, err := appendMember(append(body, '{'), "message", e.Message)
	add := func(name string, value any) {
		if err == nil {
			body, err = appendMember(append(body, ','), name, value)
		}
	}
	add("code", e.Code)
	add("request_id", requestID)
	if len(e.Details) > 0 {
		add("details", e.Details)
	}
	for _, field := range e.Fields {
		add(field.Name, field.Value)
	}
	if err != nil {
		return []byte(`{"message":"Something went wrong on our side","code":"internal"}`)
	}
	return append(body, '}')
}

// usualBody is room, in bytes, for the body of nearly every error.
const usualBody = 256

// appendMember appends one member of a JSON object. The values of most errors are plain texts and ids,
// which need nothing of encoding/json.
func appendMember(b []byte, name string, value any) ([]byte, error) {
	b = append(append(append(b, '"'), name...), '"', ':') // names are ours: they need no escaping
	switch value := value.(type) {
	case string:
		if IsPlain(value) {
			return append(append(append(b, '"'), value...), '"'), nil
		}
	case []int64:
		if len(value) > 0 {
			return appendIDs(b, value), nil
		}
	}
	encoded, err := json.Marshal(value)
	return append(b, encoded...), err
}

// IsPlain reports whether encoding/json would write s as it is.
func IsPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func appendIDs(b []byte, ids []int64) []byte {
	b = append(b, '[')
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, id, 10)
	}
	return append(b, ']')
}

// retryAfterSeconds rounds up: a client that comes a moment too early comes in vain.
func retryAfterSeconds(d time.Duration) int64 {
	return int64(math.Ceil(d.Seconds()))
}

// Handler is an http.HandlerFunc that may fail.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Adapt makes an http.HandlerFunc of h: what h returns becomes the answer.
func Adapt(log *slog.Logger, h Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			Error(w, r, log, err)
		}
	}
}
