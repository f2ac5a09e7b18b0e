package domain

import "time"

// RoomMode is how the waiting room of a show admits users.
type RoomMode string

// The modes of a waiting room.
const (
	RoomAuto        RoomMode = "auto"        // users pass until the cap is reached, then they queue
	RoomQueueAll    RoomMode = "queue_all"   // all users queue and are admitted in batches up to the cap
	RoomPassthrough RoomMode = "passthrough" // all users pass; the cap is not enforced
	RoomClosed      RoomMode = "closed"      // all users queue and none is admitted
)

// RoomState is the state of a user in the waiting room of a show.
type RoomState string

// The states of a user.
const (
	RoomNone     RoomState = "none"
	RoomWaiting  RoomState = "waiting"
	RoomAdmitted RoomState = "admitted"
)

// RoomStatus is the state of a user in the waiting room of a show. It is comparable.
type RoomStatus struct {
	ShowID int64
	State  RoomState
	// Token is an opaque name of the place, the same for as long as the place is kept. Waiting only.
	Token string
	// Position counts from 1, the next user to be admitted. Waiting only.
	Position int64
	// ExpectedAt is the estimated time of the admission; zero if unknown. Waiting only.
	ExpectedAt time.Time
	// EstimatedWait is the time until ExpectedAt when the status was read, in whole seconds and at least one; 0 if
	// unknown.
	EstimatedWait time.Duration
	AdmittedUntil time.Time // admitted only
}

// SameAs reports whether two statuses differ in nothing but the time at which they were read.
func (s RoomStatus) SameAs(other RoomStatus) bool {
	s.EstimatedWait = other.EstimatedWait
	return s == other
}

// RoomSettings is how the waiting room of one show works.
type RoomSettings struct {
	Mode      RoomMode
	MaxUsers  int64 // admitted at once, at most
	BatchSize int64 // admitted out of the queue in one interval, at most
}

// RoomOverrides is what an admin has set for one show; nil is the default.
type RoomOverrides struct {
	Mode      *RoomMode
	MaxUsers  *int64
	BatchSize *int64
	Version   int64 // grows with every change; 0 before the first
}

func (o RoomOverrides) Over(defaults RoomSettings) RoomSettings {
	setIfGiven(&defaults.Mode, o.Mode)
	setIfGiven(&defaults.MaxUsers, o.MaxUsers)
	setIfGiven(&defaults.BatchSize, o.BatchSize)
	return defaults
}

// Change is a new value of a field.
type Change[T any] struct {
	Set   bool
	Value *T
}

// RoomChange is a change of RoomOverrides.
type RoomChange struct {
	Mode      Change[RoomMode]
	MaxUsers  Change[int64]
	BatchSize Change[int64]
}

// RoomView is what an admin sees of the waiting room of a show.
type RoomView struct {
	ShowID   int64
	Settings RoomSettings
	// Waiting counts all users who hold a place, Away those of them who were not seen lately.
	Waiting, Away      int64
	Admitted           int64
	AdmittedLastMinute int64
	OldestWait         time.Duration // 0 if nobody waits
}

// RoomUpdate is one element of a stream: a new status, or a heartbeat.
type RoomUpdate struct {
	Heartbeat bool
	Status    RoomStatus
}
