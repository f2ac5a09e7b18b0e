package app_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestRunbook_ShowIsPutIntoQueueAll(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "ADMIN_EMAIL=root@example.com", "ADMIN_PASSWORD=root-password")
	script := exec.CommandContext(t.Context(), "bash", "-c",
		"set -euo pipefail\ncurl() { command curl --fail-with-body \"$@\"; }\n"+guide(t, "docs/operations.md", "sh", b.url))
	script.Env = append(os.Environ(), fmt.Sprint("SHOW=", b.show), "ADMIN_EMAIL=root@example.com", "ADMIN_PASSWORD=root-password")
	out, err := script.CombinedOutput()
	if err != nil || strings.Count(string(out), `"mode":"queue_all"`) != 2 {
		t.Fatalf("%v: %s", err, out)
	}
	b.lock(t, b.user(t), b.seats[0]).want(t, http.StatusTooManyRequests, "waiting_room")
}
