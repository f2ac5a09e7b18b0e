package service

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"

	"evently/internal/domain"
)

// LockSeats is a user's request to hold seats of a show.
type LockSeats struct {
	UserID  int64
	ShowID  int64
	SeatIDs []int64
}

// Lock holds all of the seats for the user, or none. The same request again returns the same hold. It fails with
// domain.ErrValidation, ErrDuplicateSeats, ErrSeatsUnavailable (failed_seats, held_by_you), ErrInvalidSeats
// (invalid_seats), ErrShowNotFound, ErrShowStarted, ErrSeatLimit, ErrTooManyHolds,
// ErrSeatCoolingDown (retry_at) or the errors of idempotency keys.
func (b *Bookings) Lock(ctx context.Context, lock LockSeats, request Request) (Response, error) {
	seats, err := b.orderSeats(lock.SeatIDs)
	if err != nil {
		return Response{}, err
	}
	hold := domain.HoldRequest{
		UserID: lock.UserID, ShowID: lock.ShowID, SeatIDs: seats,
		LockToken: strconv.FormatInt(lock.UserID, 10) + "." + rand.Text(),
		HoldFor:   b.rules.HoldFor, UserLimit: b.rules.MaxSeatsPerUser,
		MaxHolds: b.rules.MaxHoldsPerUser, Cooldown: b.rules.HoldCooldown,
	}
	seatLock := domain.SeatLock{ShowID: hold.ShowID, SeatIDs: seats, Token: hold.LockToken}
	if refusal := b.lockInRedis(ctx, hold, seatLock); refusal != nil {
		// The seats may be gone since the request was answered for the first time.
		if response, err := b.Replay(ctx, request.Key); err != nil || !response.IsZero() {
			return response, err
		}
		return Response{}, refusal
	}
	held := false
	response, err := b.transact(ctx, request, func(ctx context.Context) (done outcome, err error) {
		done, err = b.hold(ctx, hold)
		held = len(done.changes) > 0
		return done, err
	})
	b.deps.Recorder.SeatLock(LockPostgres, storeOutcome(err))
	if err != nil || !held || response.Replayed {
		b.release(ctx, seatLock)
	}
	return response, err
}

// lockInRedis locks the seats, or returns why the request is refused. PostgreSQL alone decides while Redis is away,
// and for a user who has one of the seats: it may be the same hold.
func (b *Bookings) lockInRedis(ctx context.Context, hold domain.HoldRequest, lock domain.SeatLock) error {
	taken, err := b.deps.Locks.Acquire(ctx, lock, min(b.rules.FirstLockTTL, b.rules.HoldFor))
	b.deps.Recorder.SeatLock(LockRedis, redisOutcome(taken, err))
	if err != nil {
		return nil //nolint:nilerr // PostgreSQL decides alone
	}
	if len(taken) == 0 {
		return nil
	}
	ids := make([]int64, len(taken))
	for i, seat := range taken {
		if seat.UserID == hold.UserID {
			return nil
		}
		ids[i] = seat.SeatID
	}
	return domain.SeatsUnavailable(ids, nil)
}

func (b *Bookings) hold(ctx context.Context, request domain.HoldRequest) (outcome, error) {
	state, err := b.deps.Store.LoadHold(ctx, request)
	if err != nil {
		return outcome{}, err
	}
	decision, err := request.Decide(state)
	if err != nil {
		return outcome{}, err
	}
	if decision.ExistingID != 0 {
		details, err := b.deps.Store.BookingDetails(ctx, request.UserID, decision.ExistingID)
		return outcome{booking: details}, err
	}
	var changes []domain.Transition
	for _, expired := range state.Expired {
		changes = append(changes, expired.End())
	}
	changes = append(changes, domain.Transition{Event: domain.EventHeld, Booking: decision.Booking, Seats: decision.Seats})
	domain.SortSeats(decision.Seats)
	found := BookingState{Now: state.Now, Seats: decision.Seats}
	return outcome{booking: found.details(decision.Booking), changes: changes}, nil
}

// orderSeats returns the seats in ascending order, the order of all locks. It fails with domain.ErrValidation if
// they are none or too many, and with domain.ErrDuplicateSeats.
func (b *Bookings) orderSeats(seatIDs []int64) ([]int64, error) {
	if len(seatIDs) == 0 || len(seatIDs) > b.rules.MaxSeatsPerBooking {
		return nil, domain.ErrValidation.WithDetails(
			"seat_ids: must have 1 to " + strconv.Itoa(b.rules.MaxSeatsPerBooking) + " items")
	}
	seats := slices.Sorted(slices.Values(seatIDs))
	if len(slices.Compact(slices.Clone(seats))) < len(seats) {
		return nil, domain.ErrDuplicateSeats.WithDetails("seat_ids: contains a seat more than once")
	}
	return seats, nil
}
