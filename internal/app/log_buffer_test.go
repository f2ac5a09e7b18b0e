package app_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evently/internal/app"
	"evently/internal/middleware"
)

const access = middleware.AccessMessage

// written hands over each write that it gets.
type written chan string

func (w written) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// messages gives what the lines say, by their attribute n.
func messages(t *testing.T, lines string) []int {
	t.Helper()
	var got []int
	for line := range strings.Lines(lines) {
		var one struct{ N int }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		got = append(got, one.N)
	}
	return got
}

func gatheringLog(t *testing.T, interval string) (*slog.Logger, written) {
	t.Helper()
	out := make(written, 100)
	return app.NewLogger(configure(t, "LOG_LEVEL=info", "LOG_FLUSH_INTERVAL="+interval), out), out
}

func TestAccessLinesWaitForEachOtherAndForNothingElse(t *testing.T) {
	t.Parallel()
	log, out := gatheringLog(t, "10s")
	log.Info(access, "n", 1)
	log.With("with", "more").WithGroup("group").Info(access)
	if len(out) != 0 {
		t.Errorf("written at once: %s", <-out)
	}
	log.Info("something else", "n", 3)
	log.Warn(access, "n", 4)
	log.Error("an error", "n", 5)
	want := [][]int{{1, 0, 3}, {4}, {5}}
	for _, lines := range want {
		if len(out) == 0 {
			t.Fatalf("nothing is written, want %v", lines)
		}
		if diff := cmp.Diff(lines, messages(t, <-out)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestGatheredLinesAreWrittenAfterAWhileOrWhenTheyAreMany(t *testing.T) {
	t.Parallel()
	log, out := gatheringLog(t, "1ms")
	log.Info(access, "n", 1)
	if got := messages(t, <-out); len(got) != 1 { // a test that hangs here is one that fails
		t.Errorf("got %v", got)
	}
	log, out = gatheringLog(t, "10s")
	long := strings.Repeat("x", 1000)
	for n := range 40 {
		log.Info(access, "n", n, "long", long)
	}
	if len(out) != 1 {
		t.Fatalf("40 KB are written in %d parts", len(out))
	}
	if got := messages(t, <-out); got[0] != 0 {
		t.Errorf("got %v", got)
	}
}
