package domain

import "context"

// SeatRequest is a request to lock seats, once it was read, and what was done about it so far.
type SeatRequest struct {
	ShowID  int64
	SeatIDs []int64 // ascending, without duplicates, no more than one booking may have
	// Fault is why the request cannot be read; there is nothing else then.
	Fault error
	// Early is nil when nobody has tried to lock the seats.
	Early *EarlyLock
}

// EarlyLock is the attempt to lock the seats of a request in Redis that is made together with the question
// whether its user may come in: one round trip for both.
type EarlyLock struct {
	SeatLock
	State LockState
	// Taken are the seats that somebody else has, when State is LockLost.
	Taken []int64
	// Used is set by whoever takes the locks over, and releases them from then on.
	Used bool
}

// LockState is what is known of locks.
type LockState int

// The states of an EarlyLock.
const (
	LockUntried LockState = iota // none is set
	LockUnknown                  // they may be set: there was no answer
	LockHeld                     // all are set
	LockLost                     // none is set, because somebody else has one
)

// Pending reports whether there may be locks that nobody has taken over.
func (l *EarlyLock) Pending() bool {
	return !l.Used && (l.State == LockHeld || l.State == LockUnknown)
}

// seatRequestKey is the context key of the SeatRequest.
type seatRequestKey struct{}

// WithSeatRequest gives a context that carries the request for seats.
func WithSeatRequest(ctx context.Context, request *SeatRequest) context.Context {
	return context.WithValue(ctx, seatRequestKey{}, request)
}

// SeatRequestFrom gives the request for seats, nil when nobody has read it yet.
func SeatRequestFrom(ctx context.Context) *SeatRequest {
	request, _ := ctx.Value(seatRequestKey{}).(*SeatRequest)
	return request
}

// EarlyLockFrom gives the attempt to lock the seats of the request, nil when nobody has made one.
func EarlyLockFrom(ctx context.Context) *EarlyLock {
	if request := SeatRequestFrom(ctx); request != nil {
		return request.Early
	}
	return nil
}
