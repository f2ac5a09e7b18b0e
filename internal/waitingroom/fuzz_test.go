package waitingroom

import (
	"fmt"
	"testing"
)

// FuzzPayload parses any task. One that is valid has one show and one time.
func FuzzPayload(f *testing.F) {
	for _, text := range []string{"7:1700000000000", "", ":", "7", "7:", ":7", "7:7:7", "-1:9223372036854775807", "+1: 2", "9223372036854775808:1"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		show, due, err := parsePayload(payload)
		if err != nil {
			return
		}
		again, dueAgain, err := parsePayload(fmt.Appendf(nil, "%d:%d", show, due.UnixMilli()))
		if err != nil || again != show || !dueAgain.Equal(due) {
			t.Errorf("%q is %d at %v, formatted and parsed %d at %v, %v", payload, show, due, again, dueAgain, err)
		}
	})
}
