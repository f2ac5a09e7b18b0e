package waitingroom

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evently/internal/domain"
)

// SeatLocks are the locks of seats in Redis.
type SeatLocks struct {
	// Keys gives the key of each seat's lock. In a Redis Cluster they share the slot of their show's room.
	Keys func(showID int64, seatIDs []int64) []string
	// Take is the source of a Lua function take(first, token, ttl) that takes the locks KEYS[first] and
	// on, or none, and gives the places, from 1, of those that somebody else has.
	Take string
	// Give is the source of give(first, token), which releases the locks KEYS[first] and on that carry the token.
	Give string
	// TTL is how long they last.
	TTL time.Duration
}

// notTried is the place that says that Redis would not write: whoever is admitted may go on all the same.
const notTried = 0

// EnterToLock is Enter for a user who is about to lock seats. It takes the locks of one who is admitted in
// the same round trip, all of them or none, and says in lock what came of that. With an error the locks
// may be set, when their state is domain.LockUnknown.
func (r *Room) EnterToLock(ctx context.Context, userID int64, lock *domain.EarlyLock) (domain.RoomStatus, error) {
	answer, err := r.askWithLock(ctx, r.scripts.enter, lock.ShowID, lock,
		userID, lock.Token, r.options.SeatLocks.TTL.Milliseconds())
	if err != nil {
		return domain.RoomStatus{}, err
	}
	status := r.status(lock.ShowID, userID, answer, answer.rest)
	switch taken := answer.rest[min(statusSize, len(answer.rest)):]; {
	case status.State != domain.RoomAdmitted, slices.Equal(taken, []int64{notTried}):
	case len(taken) == 0:
		lock.State = domain.LockHeld
	default:
		lock.State = domain.LockLost
		for _, place := range taken {
			if place < 1 || place > int64(len(lock.SeatIDs)) {
				return domain.RoomStatus{}, domain.ErrWaitingRoomUnavailable.WithCause(fmt.Errorf("the script answered place %d of %d", place, len(lock.SeatIDs)))
			}
			lock.Taken = append(lock.Taken, lock.SeatIDs[place-1])
		}
	}
	return status, nil
}

// Settle ends the user's admission to the show of the lock, because their booking is confirmed or cancelled, and
// releases its seats, those that still carry its token; a place in the queue stays. It fails with
// domain.ErrWaitingRoomUnavailable; all of it may have happened then, and runs out by itself otherwise.
func (r *Room) Settle(ctx context.Context, userID int64, lock domain.SeatLock) error {
	_, err := r.askWithLock(ctx, r.scripts.leave, lock.ShowID, &domain.EarlyLock{SeatLock: lock}, userID, "admission", lock.Token)
	return err
}
