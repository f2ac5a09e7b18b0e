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
	// EnterToLock lets the user pass, and tells which of the seats that they want somebody has, or
	// gives them a place in the queue. It fails with domain.ErrShowNotFound or ErrWaitingRoomUnavailable.
	EnterToLock(ctx context.Context, showID, userID int64, seatIDs []int64) (status domain.RoomStatus, taken []int64, err error)
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

// WaitingRoom stands, behind Authenticate, in front of a route whose JSON body names a show_id. It
// lets pass who is admitted to the show; all others are answered with 429 and their place. A
// request that names no show that can exist passes too, so that the handler tells what is wrong
// with it; its body is whole.
func WaitingRoom(gate RoomGate, options WaitingRoomOptions, log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, known := domain.IdentityFrom(r.Context())
			if !known {
				respond.Error(w, r, log, domain.ErrUnauthorized)
				return
			}
			showID, seatIDs, named := peekShow(r)
			if !named {
				next.ServeHTTP(w, r)
				return
			}
			status, taken, err := gate.EnterToLock(r.Context(), showID, user.UserID, seatIDs)
			switch {
			case errors.Is(err, domain.ErrShowNotFound),
				errors.Is(err, domain.ErrWaitingRoomUnavailable) && options.FailOpen:
				next.ServeHTTP(w, r)
			case err != nil:
				respond.Error(w, r, log, err)
			case status.State == domain.RoomAdmitted:
				if len(taken) > 0 {
					r = r.WithContext(domain.WithTakenSeats(r.Context(), domain.TakenSeats{ShowID: showID, SeatIDs: taken}))
				}
				next.ServeHTTP(w, r)
			default:
				respond.Error(w, r, log, waitingRoomError(status, options))
			}
		})
	}
}

// maxPeekedSeats is how many seats are looked at ahead: more than any configuration lets one booking have.
const maxPeekedSeats = 100

// peekShow reads show_id and seat_ids from the body of r and puts the body back. It is lenient on
// purpose: what the handler's stricter reading accepts, this accepts too, so nobody gets around the gate.
func peekShow(r *http.Request) (showID int64, seatIDs []int64, ok bool) {
	body, ok := peekBody(r)
	if !ok {
		return 0, nil, false
	}
	var request struct {
		ShowID  int64   `json:"show_id"`
		SeatIDs []int64 `json:"seat_ids"`
	}
	err := json.Unmarshal(body, &request)
	var wrongType *json.UnmarshalTypeError // what can be read is read all the same
	if err != nil && !errors.As(err, &wrongType) || request.ShowID < 1 {
		return 0, nil, false
	}
	// Seats that cannot be read are the handler's to refuse.
	if err != nil || len(request.SeatIDs) > maxPeekedSeats {
		return request.ShowID, nil, true
	}
	return request.ShowID, request.SeatIDs, true
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
