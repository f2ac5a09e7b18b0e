package service

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"

	"evently/internal/domain"
)

// Lock holds seats of a show for the user: all of them or none. It fails with
// domain.ErrSeatsUnavailable (failed_seats), ErrInvalidSeats (invalid_seats), ErrDuplicateSeats,
// ErrShowNotFound, ErrShowStarted or ErrSeatLimit.
func (b *Bookings) Lock(ctx context.Context, userID, showID int64, seatIDs []int64, answer Answer[domain.Hold]) (domain.Hold, error) {
	seats, err := b.OrderSeats(seatIDs)
	if err != nil {
		return domain.Hold{}, err
	}
	began := b.now()
	// Redis gone is no reason to turn anybody away: PostgreSQL alone decides then.
	lock, taken, err := b.lockInRedis(ctx, userID, showID, seats)
	b.recorder.SeatLock(LockRedis, redisOutcome(taken, err))
	if err == nil && len(taken) > 0 {
		return domain.Hold{}, domain.ErrSeatsUnavailable.With("failed_seats", taken)
	}
	hold, err := recorded(ctx, b.store, answer, func(ctx context.Context) (domain.Hold, error) {
		return b.store.HoldSeats(ctx, NewHold{
			UserID:    userID,
			ShowID:    showID,
			SeatIDs:   seats,
			LockToken: lock.Token,
			HoldFor:   b.rules.HoldFor,
			UserLimit: b.rules.MaxSeatsPerUser,
		})
	})
	b.recorder.SeatLock(LockPostgres, storeOutcome(err))
	if err != nil {
		b.noteStore(err)
		b.release(ctx, lock)
		return domain.Hold{}, err
	}
	b.recorder.Hold(HoldMade)
	b.rememberHold(hold, began)
	for _, overdue := range hold.Lapsed {
		b.recorder.HoldReleased(overdue)
	}
	return hold, nil
}

// OrderSeats gives the seats that one booking asks for in ascending order, the order of all locks. It fails
// with domain.ErrValidation when they are none or too many, and with ErrDuplicateSeats.
func (b *Bookings) OrderSeats(seatIDs []int64) ([]int64, error) {
	if len(seatIDs) == 0 || len(seatIDs) > b.rules.MaxSeatsPerBooking {
		return nil, domain.ErrValidation.WithDetails(
			"seat_ids: must have 1 to " + strconv.Itoa(b.rules.MaxSeatsPerBooking) + " items")
	}
	if !slices.IsSorted(seatIDs) {
		seatIDs = slices.Clone(seatIDs)
		slices.Sort(seatIDs)
	}
	for i := 1; i < len(seatIDs); i++ {
		if seatIDs[i] == seatIDs[i-1] {
			return nil, domain.ErrDuplicateSeats.WithDetails("seat_ids: names a seat more than once")
		}
	}
	return seatIDs, nil
}

// lockInRedis locks the seats, which are ascending, or returns those that are locked by others. If it fails,
// the locks may be set.
func (b *Bookings) lockInRedis(ctx context.Context, userID, showID int64, seats []int64) (lock domain.SeatLock, taken []int64, err error) {
	lock = domain.SeatLock{ShowID: showID, SeatIDs: seats, Token: strconv.FormatInt(userID, 10) + "." + rand.Text()}
	others, err := b.locks.Acquire(ctx, lock, b.rules.HoldFor)
	for _, seat := range others {
		taken = append(taken, seat.SeatID)
	}
	return lock, taken, err
}
