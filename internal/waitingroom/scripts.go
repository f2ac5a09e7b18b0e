package waitingroom

import (
	_ "embed"
	"strconv"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/prelude.lua
	prelude string
	//go:embed lua/pass.lua
	passSource string
	//go:embed lua/enter.lua
	enterSource string
	//go:embed lua/status.lua
	statusSource string
	//go:embed lua/leave.lua
	leaveSource string
	//go:embed lua/tick.lua
	tickSource string
	//go:embed lua/view.lua
	viewSource string

	enterScript  = redis.NewScript(passSource + prelude + enterSource)
	statusScript = redis.NewScript(prelude + statusSource)
	leaveScript  = redis.NewScript(prelude + leaveSource)
	tickScript   = redis.NewScript(prelude + tickSource)
	viewScript   = redis.NewScript(prelude + viewSource)
)

// Codes in the answers of the scripts.
const (
	codeMissing  = -1 // the settings are not in Redis
	codeWaiting  = 1
	codeAdmitted = 2
)

// Places in the answers of the scripts.
const (
	atCode = iota
	atNow
	atArm
	atEpoch
	atRate
	atHolders
	headerSize
)

// statusSize is how many numbers tell of one user behind the header.
const statusSize = 3

const (
	// channel carries "SHOW" when places of a show moved and "SHOW:USER" when one user's status
	// changed. One subscription of an instance hears of all shows.
	channel = "wr:changes"
	// roomsKey is a set of the shows whose queues need ticks, for the watchdog.
	roomsKey = "wr:rooms"
)

// keys gives the keys of a show. The braces are a hash tag: in a Redis Cluster they share a slot.
func keys(showID int64) []string {
	prefix := "wr:{" + strconv.FormatInt(showID, 10) + "}:"
	return []string{
		prefix + "conf",   // hash: mode, cap, batch, version; from PostgreSQL, with a short time to live
		prefix + "room",   // hash: seq, epoch and the state of the ticks
		prefix + "queue",  // sorted set: user → sequence number
		prefix + "away",   // sorted set: the same, of those found missing when it was their turn
		prefix + "seen",   // sorted set: user → last sign of life
		prefix + "active", // sorted set: user → end of the admission
		prefix + "marks",  // sorted set: moment → sequence number, one a second
		prefix + "admits", // hash: admissions in buckets of 10 s
	}
}
