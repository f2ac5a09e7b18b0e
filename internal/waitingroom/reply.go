package waitingroom

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"evently/internal/domain"
)

const (
	codeCrowded  = -3 // the client's network has too many users in the room
	codeGone     = -2 // the show was deleted
	codeMissing  = -1 // Redis does not have the settings
	codeWaiting  = 1
	codeAdmitted = 2
)

// The places of the header of a reply.
const (
	atCode = iota
	atNow
	atArm
	atHolders
	atSalt
	atRate
	atMoved
	headerSize
)

const statusSize = 3 // numbers that follow the header for each user

type reply struct {
	code    int64
	now     time.Time // by the clock of Redis
	arm     bool      // the caller is to schedule a tick
	holders int64     // users who hold a place
	salt    string    // of the queue
	rate    int64     // admissions out of the queue in a million seconds; 0 is unknown
	moved   time.Time // when the last of them was
	rest    []int64
	mode    string // of view.lua alone
}

// parse reads a reply. Missing elements are zero.
func parse(raw []any) reply {
	numbers := make([]int64, max(len(raw), headerSize))
	var r reply
	for i, v := range raw {
		switch v := v.(type) {
		case int64:
			numbers[i] = v
		case string:
			if i == atSalt {
				r.salt = v
			} else {
				r.mode = v
			}
		}
	}
	r.code, r.now, r.arm, r.holders = numbers[atCode], time.UnixMilli(numbers[atNow]), numbers[atArm] == 1, numbers[atHolders]
	r.rate, r.moved = numbers[atRate], time.UnixMilli(numbers[atMoved])
	r.rest = numbers[headerSize:]
	return r
}

func (r reply) status(showID, userID int64, numbers []int64) domain.RoomStatus {
	s := domain.RoomStatus{ShowID: showID, State: domain.RoomNone}
	switch numbers[0] {
	case codeAdmitted:
		s.State = domain.RoomAdmitted
		s.AdmittedUntil = time.UnixMilli(numbers[1]).UTC()
	case codeWaiting:
		s.State = domain.RoomWaiting
		s.Token = r.token(userID, numbers[1])
		s.Position = numbers[2] + 1
		if r.rate > 0 {
			wait := time.Duration((s.Position*1_000_000_000+r.rate-1)/r.rate) * time.Millisecond
			s.ExpectedAt = r.moved.Add(wait).UTC()
			s.EstimatedWait = max(s.ExpectedAt.Sub(r.now)+time.Second-1, time.Second).Truncate(time.Second)
		}
	}
	return s
}

// token names a place. Another user, another place and another queue have another token.
func (r reply) token(userID, seq int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%d", r.salt, userID, seq))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (r reply) view(showID int64) domain.RoomView {
	return domain.RoomView{
		ShowID:             showID,
		Settings:           domain.RoomSettings{Mode: domain.RoomMode(r.mode), MaxUsers: r.rest[4], BatchSize: r.rest[5]},
		Waiting:            r.holders,
		Away:               r.rest[0],
		Admitted:           r.rest[1],
		AdmittedLastMinute: r.rest[2],
		OldestWait:         time.Duration(r.rest[3]) * time.Millisecond,
	}
}
