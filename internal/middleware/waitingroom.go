package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
)

// RoomGate admits users to the booking of a show.
type RoomGate interface {
	// Enter admits the user, or gives them a place in the queue. It fails with domain.ErrShowNotFound or
	// domain.ErrWaitingRoomUnavailable.
	Enter(ctx context.Context, showID, userID int64) (domain.RoomStatus, error)
}

// Replays finds stored responses.
type Replays interface {
	// Replay writes the stored response of a request with the same Idempotency-Key, and reports whether
	// there is one.
	Replay(w http.ResponseWriter, r *http.Request, body []byte) (replayed bool, err error)
}

// WaitingRoomOptions configure WaitingRoom.
type WaitingRoomOptions struct {
	// RefreshInterval is when users who wait are told to ask again.
	RefreshInterval time.Duration
	// FailOpen lets all requests pass while the waiting room is unavailable. Otherwise none passes.
	FailOpen bool
	// StatusPath is the prefix of status_url; the show's id follows.
	StatusPath string
}

// WaitingRoom lets requests to lock seats pass if their user is admitted to the show, and responds to others
// with 429 and their place, or with the stored response that replays has for them. It reads show_id alone
// from the body; a body without one passes, for the handler to refuse. It needs the Identity in the context.
// replays may be nil.
func WaitingRoom(gate RoomGate, replays Replays, options WaitingRoomOptions, log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return respond.Adapt(log, func(w http.ResponseWriter, r *http.Request) error {
			user, known := domain.IdentityFrom(r.Context())
			if !known {
				return domain.ErrUnauthorized
			}
			body := peekBody(r)
			showID := showOf(body)
			if showID <= 0 {
				next.ServeHTTP(w, r)
				return nil
			}
			status, err := gate.Enter(r.Context(), showID, user.UserID)
			switch {
			case errors.Is(err, domain.ErrShowNotFound), // the handler responds
				errors.Is(err, domain.ErrWaitingRoomUnavailable) && options.FailOpen,
				err == nil && status.State == domain.RoomAdmitted:
				next.ServeHTTP(w, r)
				return nil
			case err != nil:
				return err
			}
			if replays != nil && r.Header.Get("Idempotency-Key") != "" {
				if replayed, err := replays.Replay(w, r, body); replayed || err != nil {
					return err
				}
			}
			return waitingRoomError(status, options)
		})
	}
}

// showOf returns the show_id of a request to lock seats, or 0.
func showOf(body []byte) int64 {
	var request struct {
		ShowID int64 `json:"show_id"`
	}
	if json.Unmarshal(body, &request) != nil {
		return 0
	}
	return request.ShowID
}

func waitingRoomError(status domain.RoomStatus, options WaitingRoomOptions) error {
	var estimate any // null if unknown
	if status.EstimatedWait > 0 {
		estimate = int64(status.EstimatedWait / time.Second)
	}
	return domain.ErrWaitingRoom.
		With("token", status.Token).
		With("position", status.Position).
		With("users_ahead", status.Position-1).
		With("estimated_wait_seconds", estimate).
		With("refresh_interval_seconds", int64(options.RefreshInterval/time.Second)).
		With("status_url", options.StatusPath+strconv.FormatInt(status.ShowID, 10)).
		WithRetryAfter(options.RefreshInterval)
}
