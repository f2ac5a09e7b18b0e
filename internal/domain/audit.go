package domain

// Violation is one broken promise that an audit found.
type Violation struct {
	Check  string // the promise, in a stable word
	Detail string // which rows break it
}

// HeldLock is the seat lock of one seat.
type HeldLock struct {
	ShowID, SeatID int64
	Token          string
}
