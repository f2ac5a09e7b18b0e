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
	// Enter admits or queues the user. It returns domain.ErrShowNotFound,
	// domain.ErrTooManyPlaces or domain.ErrWaitingRoomUnavailable.
	Enter(ctx context.Context, showID, userID int64) (domain.RoomStatus, error)
}

// Replays finds the stored responses of requests with the same Idempotency-Key.
type Replays interface {
	Replay(w http.ResponseWriter, r *http.Request, body []byte) (replayed bool, err error)
}

// WaitingRoomOptions configure WaitingRoom.
type WaitingRoomOptions struct {
	RefreshInterval time.Duration // after which users who wait are told to ask again
	FailOpen        bool          // all requests pass while the waiting room is unavailable
	StatusPath      string        // prefix of status_url; the show's id follows
}

// WaitingRoom passes requests to lock seats whose user is admitted to the show, and responds to others with 429 or with
// their stored response. Invalid bodies pass, for the handler to refuse. replays may be nil.
func WaitingRoom(
	gate RoomGate, replays Replays, options WaitingRoomOptions, log *slog.Logger,
) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return respond.Adapt(log, func(w http.ResponseWriter, r *http.Request) error {
			user, known := domain.IdentityFrom(r.Context())
			if !known {
				return domain.ErrUnauthorized
			}
			body := peekBody(r, respond.MaxBody)
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
			case err != nil && !errors.Is(err, domain.ErrTooManyPlaces):
				return err
			}
			if replays != nil && r.Header.Get("Idempotency-Key") != "" {
				if replayed, err := replays.Replay(w, r, body); replayed || err != nil {
					return err
				}
			}
			if err != nil {
				return err
			}
			return waitingRoomError(status, options)
		})
	}
}

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
