package waitingroom

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

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
)

// scripts are the scripts of a room, with what its options say written into them.
type scripts struct {
	enter, status, leave, tick, view *redis.Script
}

func newScripts(o Options) scripts {
	var constants strings.Builder
	constant := func(name string, d time.Duration) {
		fmt.Fprintf(&constants, "local %s = %d\n", name, d.Milliseconds())
	}
	constant("grace", o.Grace)
	constant("abandon", o.Abandon)
	constant("session", o.SessionTTL)
	constant("interval", o.AdmitInterval)
	constant("idle", o.idleTTL())
	constant("settings_ttl", o.SettingsTTL)
	fmt.Fprintf(&constants, "local channel = '%s'\n", channel)
	script := func(sources ...string) *redis.Script {
		return redis.NewScript(constants.String() + strings.Join(sources, ""))
	}
	return scripts{
		enter:  script(o.SeatLocks.Take, passSource, prelude, enterSource),
		status: script(prelude, statusSource),
		leave:  script(o.SeatLocks.Give, prelude, leaveSource),
		tick:   script(prelude, tickSource),
		view:   script(prelude, viewSource),
	}
}

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

// keyNames are what the keys of a show end in, in the order that the scripts know them.
var keyNames = [...]string{
	"conf",   // hash: mode, cap, batch, version; from PostgreSQL, with a short time to live
	"room",   // hash: seq, epoch and the state of the ticks
	"queue",  // sorted set: user → sequence number
	"away",   // sorted set: the same, of those found missing when it was their turn
	"seen",   // sorted set: user → last sign of life
	"active", // sorted set: user → end of the admission
	"marks",  // sorted set: moment → sequence number, one a second
	"admits", // hash: admissions in buckets of 10 s
}

// keys gives the keys of a show, with room for some more. The braces are a hash tag: in a Redis Cluster
// they share a slot.
func keys(showID int64) []string {
	text := make([]byte, 0, 256)
	var ends [len(keyNames)]int
	for i, name := range keyNames {
		text = append(text, "wr:{"...)
		text = strconv.AppendInt(text, showID, 10)
		text = append(text, "}:"...)
		text = append(text, name...)
		ends[i] = len(text)
	}
	all, names, start := string(text), make([]string, 0, 2*len(keyNames)), 0 // one piece of memory for all
	for _, end := range ends {
		names, start = append(names, all[start:end]), end
	}
	return names
}
