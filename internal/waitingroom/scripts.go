package waitingroom

import (
	_ "embed"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed lua/prelude.lua
	prelude string
	//go:embed lua/enter.lua
	enterSource string
	//go:embed lua/status.lua
	statusSource string
	//go:embed lua/leave.lua
	leaveSource string
	//go:embed lua/end.lua
	endSource string
	//go:embed lua/close.lua
	closeSource string
	//go:embed lua/tick.lua
	tickSource string
	//go:embed lua/view.lua
	viewSource string
)

// scripts are the scripts of a room. The options are constants in them.
type scripts struct {
	enter, status, leave, end, close, tick, view *redis.Script
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
	script := func(source string) *redis.Script { return redis.NewScript(constants.String() + prelude + source) }
	return scripts{
		enter:  script(enterSource),
		status: script(statusSource),
		leave:  script(leaveSource),
		end:    script(endSource),
		close:  script(closeSource),
		tick:   script(tickSource),
		view:   script(viewSource),
	}
}

const (
	// channel carries "SHOW" when places of a show moved or its room was closed, and "SHOW:USER" when one
	// user's status changed.
	channel = "wr:changes"
	// roomsKey is the set of shows whose queues need ticks, for the watchdog.
	roomsKey = "wr:rooms"
)

// keyNames are the keys of a show, in the order of KEYS in the scripts.
var keyNames = [...]string{
	"conf",   // hash: mode, cap, batch, version; copied from PostgreSQL, with a short time to live
	"room",   // hash: seq, salt and the state of the ticks
	"queue",  // sorted set: user → sequence number
	"away",   // sorted set: the same, of users who were absent when it was their turn
	"seen",   // sorted set: user → last sign of life
	"active", // sorted set: user → end of the admission
	"began",  // hash: user → beginning of the admission
	"marks",  // sorted set: time → sequence number, one a second
	"admits", // hash: admissions in buckets of 10 s
}

// keys returns the keys of a show. The braces are a hash tag, so that they share a slot of a cluster.
func keys(showID int64) []string {
	names := make([]string, len(keyNames))
	for i, name := range keyNames {
		names[i] = fmt.Sprintf("wr:{%d}:%s", showID, name)
	}
	return names
}
