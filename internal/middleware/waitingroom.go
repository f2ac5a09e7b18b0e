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

// RoomGate decides who may go on to book.
type RoomGate interface {
	Enter(ctx context.Context, showID, userID int64) (domain.RoomStatus, error)
}

// WaitingRoomOptions say how the gate answers.
type WaitingRoomOptions struct {
	// RefreshInterval is when those who wait are told to ask again.
	RefreshInterval time.Duration
	// FailOpen lets everybody pass while the room's store does not answer; otherwise nobody does.
	FailOpen bool
	// StatusPath is what the show's id is appended to for status_url.
	StatusPath string
}

// WaitingRoom stop-gap.
func WaitingRoom(gate RoomGate, options WaitingRoomOptions, log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return respond.Adapt(log, func(w http.ResponseWriter, r *http.Request) error {
			user, _ := domain.IdentityFrom(r.Context())
			body, _ := peekBody(r)
			var show struct {
				ShowID int64 `json:"show_id"`
			}
			if json.Unmarshal(body, &show) != nil {
				next.ServeHTTP(w, r)
				return nil
			}
			status, err := gate.Enter(r.Context(), show.ShowID, user.UserID)
			switch {
			case errors.Is(err, domain.ErrShowNotFound),
				errors.Is(err, domain.ErrWaitingRoomUnavailable) && options.FailOpen,
				err == nil && status.State == domain.RoomAdmitted:
				next.ServeHTTP(w, r)
				return nil
			case err != nil:
				return err
			default:
				return waitingRoomError(status, options)
			}
		})
	}
}

func waitingRoomError(status domain.RoomStatus, options WaitingRoomOptions) error {
	var estimate any // null when unknown
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
