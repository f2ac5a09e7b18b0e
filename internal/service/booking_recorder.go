package service

import (
	"errors"
	"time"

	"evently/internal/domain"
)

// BookingRecorder counts what happened to bookings. Its methods return at once and cannot fail.
type BookingRecorder interface {
	SeatLock(layer LockLayer, outcome LockOutcome)
	// Hold counts a booking that was held, confirmed or cancelled. Expired holds go to HoldReleased.
	Hold(event domain.BookingEvent)
	// HoldReleased counts an expired hold and how long after its end it was ended.
	HoldReleased(overdue time.Duration)
	Payment(result PaymentResult)
	Refund()
}

// LockLayer is one of the two places where seats are locked.
type LockLayer string

// The layers, in their order.
const (
	LockRedis    LockLayer = "redis"
	LockPostgres LockLayer = "postgres"
)

// LockOutcome is how an attempt to lock seats ended.
type LockOutcome string

// The outcomes of an attempt.
const (
	LockWon     LockOutcome = "won"
	LockLost    LockOutcome = "lost"    // another booking has a seat
	LockRefused LockOutcome = "refused" // by a rule: unknown seats, a limit, a show that has started
	LockFailed  LockOutcome = "failed"  // the layer is away
)

// PaymentResult is how a charge ended.
type PaymentResult string

// The results of a charge.
const (
	PaymentSucceeded PaymentResult = "succeeded"
	PaymentDeclined  PaymentResult = "declined"
	PaymentLate      PaymentResult = "late"   // charged after the hold had ended, and refunded
	PaymentFailed    PaymentResult = "failed" // the result is unknown
)

func redisOutcome(taken []domain.TakenSeat, err error) LockOutcome {
	switch {
	case err != nil:
		return LockFailed
	case len(taken) > 0:
		return LockLost
	default:
		return LockWon
	}
}

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

func paymentResult(status domain.PaymentStatus) PaymentResult {
	switch status {
	case domain.PaymentSucceeded:
		return PaymentSucceeded
	case domain.PaymentFailed:
		return PaymentDeclined
	default:
		return PaymentLate
	}
}
