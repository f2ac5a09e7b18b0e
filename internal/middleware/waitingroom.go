package middleware

import (
	"context"
	"crypto/rand"
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
	// EnterToLock lets the user pass, and then tries to lock the seats for them, or gives them a place in the
	// queue. It fails with domain.ErrShowNotFound or ErrWaitingRoomUnavailable; the locks may be set all the
	// same, as their state tells.
	EnterToLock(ctx context.Context, userID int64, lock *domain.EarlyLock) (domain.RoomStatus, error)
	// Abandon releases locks that nobody has taken over.
	Abandon(ctx context.Context, lock domain.SeatLock)
}

// SeatRequestReader reads a request for seats, once for the gate and for the handler behind it. What
// cannot be read is a request with a fault, which the handler then tells.
type SeatRequestReader func(w http.ResponseWriter, r *http.Request) *domain.SeatRequest

// WaitingRoomOptions say how the gate answers.
type WaitingRoomOptions struct {
	// RefreshInterval is when those who wait are told to ask again.
	RefreshInterval time.Duration
	// FailOpen lets everybody pass while the room's store does not answer; otherwise nobody does.
	FailOpen bool
	// StatusPath is what the show's id is appended to for status_url.
	StatusPath string
}

// WaitingRoom stands, behind Authenticate, in front of the route that locks seats. It lets pass who is
// admitted to the show, with an attempt to lock the seats that was made in the same breath; all others are
// answered with 429 and their place. A request that cannot be read passes too, so that the handler tells
// what is wrong with it.
func WaitingRoom(gate RoomGate, read SeatRequestReader, options WaitingRoomOptions, log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return respond.Adapt(log, func(w http.ResponseWriter, r *http.Request) error {
			user, known := domain.IdentityFrom(r.Context())
			if !known {
				return domain.ErrUnauthorized
			}
			request := read(w, r)
			r = r.WithContext(domain.WithSeatRequest(r.Context(), request))
			if request.Fault != nil {
				next.ServeHTTP(w, r)
				return nil
			}
			lock := &domain.EarlyLock{SeatLock: domain.SeatLock{ShowID: request.ShowID, SeatIDs: request.SeatIDs, Token: rand.Text()}}
			defer func() {
				if lock.Pending() {
					gate.Abandon(r.Context(), lock.SeatLock)
				}
			}()
			status, err := gate.EnterToLock(r.Context(), user.UserID, lock)
			switch {
			case errors.Is(err, domain.ErrShowNotFound),
				errors.Is(err, domain.ErrWaitingRoomUnavailable) && options.FailOpen,
				err == nil && status.State == domain.RoomAdmitted:
				request.Early = lock
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
