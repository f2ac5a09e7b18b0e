package app

import (
	"context"
	"time"

	"evently/internal/domain"
	"evently/internal/seatlock"
	"evently/internal/waitingroom"
)

type stopLocks struct{ *seatlock.Locks }

func (s stopLocks) Acquire(ctx context.Context, lock domain.SeatLock, ttl time.Duration) ([]domain.TakenSeat, error) {
	ids, err := s.Locks.Acquire(ctx, lock, ttl)
	var taken []domain.TakenSeat
	for _, id := range ids {
		taken = append(taken, domain.TakenSeat{SeatID: id})
	}
	return taken, err
}

func (s stopLocks) Extend(context.Context, domain.SeatLock, time.Duration) error { return nil }

type stopRooms struct{ *waitingroom.Room }

func (s stopRooms) End(ctx context.Context, showID, userID int64, _ time.Time) error {
	return s.Settle(ctx, userID, domain.SeatLock{ShowID: showID})
}

type stopWake struct{}

func (stopWake) WakeRefunds(context.Context) error { return nil }
