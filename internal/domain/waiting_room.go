package domain

import "time"

// RoomMode is how the waiting room of a show treats those who come.
type RoomMode string

// The modes of a waiting room.
const (
	RoomAuto        RoomMode = "auto"        // users pass until the cap is reached, then they queue
	RoomQueueAll    RoomMode = "queue_all"   // everybody queues and is admitted in batches up to the cap
	RoomPassthrough RoomMode = "passthrough" // everybody passes; the cap is not enforced
	RoomClosed      RoomMode = "closed"      // everybody queues and nobody is admitted
)

// RoomState is where a user stands in the waiting room of a show.
type RoomState string

// The states of a user.
const (
	RoomNone     RoomState = "none"
	RoomWaiting  RoomState = "waiting"
	RoomAdmitted RoomState = "admitted"
)

// RoomStatus is where a user stands. Two of them can be compared.
type RoomStatus struct {
	ShowID int64
	State  RoomState
	// Token is an opaque name of the place, the same as long as the place is kept. Waiting only.
	Token string
	// Position counts from 1, who is next. Waiting only.
	Position int64
	// EstimatedWait is in whole seconds; 0 is unknown. Waiting only.
	EstimatedWait time.Duration
	AdmittedUntil time.Time // admitted only
}

// RoomSettings is how the waiting room of one show works.
type RoomSettings struct {
	Mode      RoomMode
	MaxUsers  int64 // how many may be admitted at once
	BatchSize int64 // how many are admitted out of the queue in one interval, at most
}

// RoomOverrides is what an admin has set for one show; nil is the default.
type RoomOverrides struct {
	Mode      *RoomMode
	MaxUsers  *int64
	BatchSize *int64
	Version   int64 // grows with every change; 0 when there never was one
}

// Over gives the defaults with the overrides applied.
func (o RoomOverrides) Over(defaults RoomSettings) RoomSettings {
	if o.Mode != nil {
		defaults.Mode = *o.Mode
	}
	if o.MaxUsers != nil {
		defaults.MaxUsers = *o.MaxUsers
	}
	if o.BatchSize != nil {
		defaults.BatchSize = *o.BatchSize
	}
	return defaults
}

// Change is a new value for something that may be left as it is (the zero value) or be put back
// to its default (Set without a Value).
type Change[T any] struct {
	Set   bool
	Value *T
}

// RoomChange is what an admin wants to be different.
type RoomChange struct {
	Mode      Change[RoomMode]
	MaxUsers  Change[int64]
	BatchSize Change[int64]
}

// RoomView is what an admin sees of the waiting room of a show.
type RoomView struct {
	ShowID   int64
	Settings RoomSettings
	// Waiting counts all who hold a place, Away those of them who were not seen lately.
	Waiting, Away      int64
	Admitted           int64
	AdmittedLastMinute int64
	OldestWait         time.Duration // 0 when nobody waits
}

// RoomUpdate is what a stream of a user's status carries: a status that is new, or a heartbeat.
type RoomUpdate struct {
	Heartbeat bool
	Status    RoomStatus
}
