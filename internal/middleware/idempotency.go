package middleware

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
	"evently/internal/respond"
)

// The headers of repeatable requests.
const (
	idempotencyKeyHeader      = "Idempotency-Key"
	idempotencyReplayedHeader = "Idempotency-Replayed"
)

// Bounds of repeatable requests.
const (
	maxIdempotencyKey  = 255
	maxIdempotentBody  = 64 << 10
	idempotencyTimeout = 5 * time.Second // for storing an answer after the client has gone
)

// IdempotencyKeys is the use cases of idempotency keys.
type IdempotencyKeys interface {
	Begin(ctx context.Context, userID int64, route, key string, requestHash []byte) (*domain.Claim, *domain.StoredAnswer, error)
	Keep(ctx context.Context, claim *domain.Claim, answer domain.StoredAnswer) error
	Release(ctx context.Context, claim *domain.Claim) error
}

// Idempotent lets a client send a POST again without its work being done again: a request with
// an Idempotency-Key gets the answer that the first one with that key got. It stands in front of
// everything that may refuse a request for its turn or its time, so that a repeat is answered even
// when a new request would not be. The rate limit alone stands before it: a replay costs the
// database a query, too, and a key that is sent again and again must not be a way around the
// limit. A repeat that is refused there loses nothing, its answer is kept. It needs the Identity
// in the context.
//
// A success is stored by the service, in the transaction of the work. Here, behind the handler,
// other final answers are stored, and the key is given back after those that are not final.
func Idempotent(keys IdempotencyKeys, log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return respond.Adapt(log, func(w http.ResponseWriter, r *http.Request) error {
			key, err := idempotencyKey(r)
			if err != nil {
				return err
			}
			user, known := domain.IdentityFrom(r.Context())
			if key == "" || !known {
				next.ServeHTTP(w, r)
				return nil
			}
			hash, err := hashRequest(w, r)
			if err != nil {
				return err
			}
			route := r.Method + " " + chi.RouteContext(r.Context()).RoutePattern()
			claim, answer, err := keys.Begin(r.Context(), user.UserID, route, key, hash)
			if err != nil {
				return err
			}
			if answer != nil {
				w.Header().Set(idempotencyReplayedHeader, "true")
				respond.Raw(w, answer.Status, answer.Body)
				return nil
			}
			serveClaimed(w, r, next, keys, claim, log)
			return nil
		})
	}
}

// serveClaimed runs the request and sees to it that its key ends up answered or free, also when
// the handler panics or the client has gone.
func serveClaimed(w http.ResponseWriter, r *http.Request, next http.Handler, keys IdempotencyKeys, claim *domain.Claim, log *slog.Logger) {
	seen := &recording{ResponseWriter: w}
	defer func() {
		if claim.Recorded {
			return
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), idempotencyTimeout)
		defer cancel()
		var err error
		if seen.final() {
			err = keys.Keep(ctx, claim, domain.StoredAnswer{Status: seen.status, Body: seen.body.Bytes()})
		} else {
			err = keys.Release(ctx, claim)
		}
		if err != nil {
			log.WarnContext(ctx, "an idempotency key stays claimed until its claim runs out", "error", err.Error())
		}
	}()
	next.ServeHTTP(seen, r.WithContext(domain.WithClaim(r.Context(), claim)))
}

// idempotencyKey reads the header; "" is a request without one.
func idempotencyKey(r *http.Request) (string, error) {
	values := r.Header.Values(idempotencyKeyHeader)
	if len(values) == 0 {
		return "", nil
	}
	invalid := domain.ErrInvalidParameter.WithDetails(idempotencyKeyHeader + ": must be 1 to 255 printable ASCII characters")
	if len(values) > 1 || values[0] == "" || len(values[0]) > maxIdempotencyKey {
		return "", invalid
	}
	for _, c := range []byte(values[0]) {
		if c < ' ' || c > '~' {
			return "", invalid
		}
	}
	return values[0], nil
}

// hashRequest tells one request from another: its path and its body. The body is left to be read again.
func hashRequest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := respond.ReadBody(http.MaxBytesReader(w, r.Body, maxIdempotentBody), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, respond.ErrBodyTooLarge
	case err != nil:
		return nil, domain.ErrInvalidJSON.WithMessage("The request body could not be read").WithCause(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	hash := sha256.New()
	hash.Write([]byte(r.URL.Path))
	hash.Write([]byte{0})
	hash.Write(body)
	return hash.Sum(nil), nil
}

// recording passes an answer on and remembers it.
type recording struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader remembers the status.
func (w *recording) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Write remembers the body.
func (w *recording) Write(p []byte) (int, error) {
	w.body.Write(p)
	return w.ResponseWriter.Write(p)
}

// Unwrap serves http.ResponseController.
func (w *recording) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// final reports whether a repeat is to get this answer again. It is not when another try may end
// otherwise without the client doing anything wrong: too many requests, seats that somebody else
// has just now, a fault of ours, no answer at all. A wrong Content-Type is no part of what tells
// requests apart, so a repeat with the right one is to be served.
func (w *recording) final() bool {
	if w.status == 0 || w.status == http.StatusTooManyRequests || w.status == http.StatusUnsupportedMediaType || w.status >= 499 {
		return false
	}
	var body struct {
		Code string `json:"code"`
	}
	if w.status != http.StatusConflict || json.Unmarshal(w.body.Bytes(), &body) != nil {
		return true
	}
	return body.Code != domain.ErrSeatsUnavailable.Code && body.Code != domain.ErrIdempotencyInProgress.Code
}
