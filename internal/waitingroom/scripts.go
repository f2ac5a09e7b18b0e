package waitingroom

import (
	"embed"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed lua/*.lua
var sources embed.FS

// scripts have the options of a room as constants.
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
	script := func(name string) *redis.Script {
		return redis.NewScript(constants.String() + source("prelude") + source(name))
	}
	return scripts{
		enter:  script("enter"),
		status: script("status"),
		leave:  script("leave"),
		end:    script("end"),
		close:  script("close"),
		tick:   script("tick"),
		view:   script("view"),
	}
}

func source(name string) string {
	text, err := sources.ReadFile("lua/" + name + ".lua")
	if err != nil {
		panic(err) // only for a name that is not embedded
	}
	return string(text)
}

const (
	channel  = "wr:changes" // carries "SHOW" when places moved, and "SHOW:USER" when one user's status changed
	roomsKey = "wr:rooms"   // set of shows whose queues need ticks
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

// networkKey is the key of the set of users of a network.
func networkKey(showID int64, network netip.Prefix) string {
	return fmt.Sprintf("wr:{%d}:net:%s", showID, network)
}

// keys returns the keys of a show. The braces are a hash tag, so that they share a slot of a cluster.
func keys(showID int64) []string {
	names := make([]string, len(keyNames))
	for i, name := range keyNames {
		names[i] = fmt.Sprintf("wr:{%d}:%s", showID, name)
	}
	return names
}
