package domain

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
