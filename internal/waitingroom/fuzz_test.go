package waitingroom

import (
	"fmt"
	"testing"
)

// FuzzPayload reads any task: one that is understood is of one show and one moment.
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
			t.Errorf("%q is %d at %v, written again %d at %v, %v", payload, show, due, again, dueAgain, err)
		}
	})
}
