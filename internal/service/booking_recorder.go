package service

import (
	"context"
	"errors"
	"time"

	"evently/internal/domain"
)

// BookingRecorder hears of what happens to bookings, after it has happened. Its methods return at
// once and cannot fail.
type BookingRecorder interface {
	// SeatLock tells how an attempt to lock the seats of one booking ended in a layer.
	SeatLock(layer LockLayer, outcome LockOutcome)
	// Hold tells what became of a hold. Expired ones go to HoldReleased.
	Hold(event HoldEvent)
	// HoldReleased tells of a hold that had run out and was ended, and how long after its end.
	HoldReleased(overdue time.Duration)
	// Payment tells how a charge ended.
	Payment(result PaymentResult)
	// Refund tells that a cancel gave money back.
	Refund()
}

// LockLayer is one of the two places where seats are locked.
type LockLayer string

// The layers, in the order in which a booking meets them.
const (
	LockRedis    LockLayer = "redis"
	LockPostgres LockLayer = "postgres"
)

// LockOutcome is how an attempt to lock seats ended.
type LockOutcome string

// The outcomes of an attempt.
const (
	LockWon     LockOutcome = "won"
	LockLost    LockOutcome = "lost"    // somebody else has a seat
	LockRefused LockOutcome = "refused" // a rule says no: unknown seats, a limit, a show that has started
	LockFailed  LockOutcome = "failed"  // the layer did not answer
)

// HoldEvent is a step in the life of a hold.
type HoldEvent string

// The steps. A confirmed booking that is cancelled counts as cancelled, too.
const (
	HoldMade      HoldEvent = "held"
	HoldConfirmed HoldEvent = "confirmed"
	HoldCancelled HoldEvent = "cancelled"
	HoldExpired   HoldEvent = "expired"
)

// PaymentResult is how a charge ended.
type PaymentResult string

// The results of a charge.
const (
	PaymentSucceeded PaymentResult = "succeeded"
	PaymentDeclined  PaymentResult = "declined"
	PaymentLate      PaymentResult = "late" // taken after the hold was over, and given back
	PaymentFailed    PaymentResult = "failed"
)

// redisOutcome classifies an answer of the fast gate.
func redisOutcome(taken []int64, err error) LockOutcome {
	switch {
	case err != nil:
		return LockFailed
	case len(taken) > 0:
		return LockLost
	default:
		return LockWon
	}
}

// storeOutcome classifies an answer of the store.
func storeOutcome(err error) LockOutcome {
	var coded *domain.Error
	switch {
	case err == nil:
		return LockWon
	case errors.Is(err, domain.ErrSeatsUnavailable):
		return LockLost
	case errors.As(err, &coded) && coded.Kind != domain.KindInternal && coded.Kind != domain.KindUnavailable:
		return LockRefused
	default:
		return LockFailed
	}
}

// chargeResult classifies the error of a charge. A client that went away is no result.
func chargeResult(err error) (result PaymentResult, counts bool) {
	switch {
	case errors.Is(err, domain.ErrPaymentDeclined):
		return PaymentDeclined, true
	case errors.Is(err, context.Canceled):
		return "", false
	default:
		return PaymentFailed, true
	}
}
