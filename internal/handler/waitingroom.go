package handler

import (
	"context"
	"net/http"
	"time"

	"evently/internal/domain"
)

type waitingRoomService interface {
	Enter(ctx context.Context, showID, userID int64) (domain.RoomStatus, error)
	Status(ctx context.Context, showID, userID int64) (domain.RoomStatus, error)
	Leave(ctx context.Context, showID, userID int64) error
	View(ctx context.Context, showID int64) (domain.RoomView, error)
	Configure(ctx context.Context, showID int64, change domain.RoomChange) (domain.RoomView, error)
}

type waitingRoomStreams interface {
	// Watch sends the status now and every change until the show or the instance ends. The caller must call stop.
	Watch(ctx context.Context, showID, userID int64) (updates <-chan domain.RoomUpdate, stop func(), err error)
}

// tokenChecker checks access tokens that were verified before.
type tokenChecker interface {
	// Check returns an error if the token of an identity has expired or ended.
	Check(identity domain.Identity) error
}

// WaitingRoom serves the waiting room's routes.
type WaitingRoom struct {
	rooms   waitingRoomService
	streams waitingRoomStreams
	tokens  tokenChecker
	refresh time.Duration
}

// NewWaitingRoom returns the handlers. refresh is when users who wait are told to ask again.
func NewWaitingRoom(
	rooms waitingRoomService, streams waitingRoomStreams, tokens tokenChecker, refresh time.Duration,
) *WaitingRoom {
	return &WaitingRoom{rooms: rooms, streams: streams, tokens: tokens, refresh: refresh}
}

type roomStatusDTO struct {
	ShowID                 int64            `json:"show_id"`
	Status                 domain.RoomState `json:"status"`
	Token                  *string          `json:"token"`
	Position               *int64           `json:"position"`
	UsersAhead             *int64           `json:"users_ahead"`
	EstimatedWaitSeconds   *int64           `json:"estimated_wait_seconds"`
	RefreshIntervalSeconds int64            `json:"refresh_interval_seconds"`
	AdmittedUntil          *time.Time       `json:"admitted_until"`
}

func (h *WaitingRoom) toStatus(s domain.RoomStatus) roomStatusDTO {
	dto := roomStatusDTO{
		ShowID:                 s.ShowID,
		Status:                 s.State,
		RefreshIntervalSeconds: int64(h.refresh / time.Second),
	}
	switch s.State {
	case domain.RoomWaiting:
		dto.Token, dto.Position, dto.UsersAhead = new(s.Token), new(s.Position), new(s.Position-1)
		if s.EstimatedWait > 0 {
			dto.EstimatedWaitSeconds = new(int64(s.EstimatedWait / time.Second))
		}
	case domain.RoomAdmitted:
		dto.AdmittedUntil = new(s.AdmittedUntil.UTC())
	}
	return dto
}

func (h *WaitingRoom) Join(w http.ResponseWriter, r *http.Request) error {
	userID, showID, err := userAndID(r, "show_id")
	if err != nil {
		return err
	}
	if err := decodeOptional(w, r, &struct{}{}); err != nil {
		return err
	}
	status, err := h.rooms.Enter(r.Context(), showID, userID)
	return write(w, http.StatusOK, h.toStatus(status), err)
}

func (h *WaitingRoom) Status(w http.ResponseWriter, r *http.Request) error {
	userID, showID, err := userAndID(r, "show_id")
	if err != nil {
		return err
	}
	status, err := h.rooms.Status(r.Context(), showID, userID)
	w.Header().Set("Cache-Control", "no-store")
	return write(w, http.StatusOK, h.toStatus(status), err)
}

func (h *WaitingRoom) Leave(w http.ResponseWriter, r *http.Request) error {
	userID, showID, err := userAndID(r, "show_id")
	if err != nil {
		return err
	}
	if err := h.rooms.Leave(r.Context(), showID, userID); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func toRoomView(v domain.RoomView) envelope {
	view := envelope{
		"show_id":              v.ShowID,
		"mode":                 v.Settings.Mode,
		"max_concurrent_users": v.Settings.MaxUsers,
		"batch_size":           v.Settings.BatchSize,
		"waiting":              v.Waiting,
		"away":                 v.Away,
		"admitted":             v.Admitted,
		"admitted_last_minute": v.AdmittedLastMinute,
		"oldest_wait_seconds":  nil,
	}
	if v.Waiting > 0 {
		view["oldest_wait_seconds"] = int64(v.OldestWait / time.Second)
	}
	return view
}

func (h *WaitingRoom) View(w http.ResponseWriter, r *http.Request) error {
	showID, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	view, err := h.rooms.View(r.Context(), showID)
	return write(w, http.StatusOK, toRoomView(view), err)
}

type configureRequest struct {
	Mode               nullable[domain.RoomMode] `json:"mode"`
	MaxConcurrentUsers nullable[int64]           `json:"max_concurrent_users"`
	BatchSize          nullable[int64]           `json:"batch_size"`
}

const (
	maxRoomUsers = 1_000_000
	maxRoomBatch = 10_000
)

func (c configureRequest) check() error {
	if !c.Mode.Set && !c.MaxConcurrentUsers.Set && !c.BatchSize.Set {
		return domain.ErrValidation.WithDetails("mode: at least one of mode, max_concurrent_users and batch_size is required")
	}
	var faults []string
	if c.Mode.Value != nil {
		switch *c.Mode.Value {
		case domain.RoomAuto, domain.RoomQueueAll, domain.RoomPassthrough, domain.RoomClosed:
		default:
			faults = append(faults, "mode: must be one of: auto queue_all passthrough closed")
		}
	}
	if v := c.MaxConcurrentUsers.Value; v != nil && (*v < 1 || *v > maxRoomUsers) {
		faults = append(faults, "max_concurrent_users: must be a whole number from 1 to 1000000")
	}
	if v := c.BatchSize.Value; v != nil && (*v < 1 || *v > maxRoomBatch) {
		faults = append(faults, "batch_size: must be a whole number from 1 to 10000")
	}
	if len(faults) > 0 {
		return domain.ErrValidation.WithDetails(faults...)
	}
	return nil
}

// Configure resets a field that is null to its default.
func (h *WaitingRoom) Configure(w http.ResponseWriter, r *http.Request) error {
	showID, err := pathID(r, "show_id")
	if err != nil {
		return err
	}
	logObject(r, "show", showID)
	var body configureRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	view, err := h.rooms.Configure(r.Context(), showID, domain.RoomChange{
		Mode:      domain.Change[domain.RoomMode](body.Mode),
		MaxUsers:  domain.Change[int64](body.MaxConcurrentUsers),
		BatchSize: domain.Change[int64](body.BatchSize),
	})
	return write(w, http.StatusOK, toRoomView(view), err)
}
