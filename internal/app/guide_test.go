package app_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const guideAddress = "http://localhost:3000"

// guide returns the code blocks of a language in a document, for the service at url.
func guide(t *testing.T, name, language, url string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(string(content), -1) {
		if strings.Contains(match[1], "API") { // the others do not call the API
			blocks = append(blocks, match[1])
		}
	}
	if len(blocks) == 0 {
		t.Fatalf("%s has no %s", name, language)
	}
	return strings.ReplaceAll(strings.Join(blocks, "\n"), guideAddress, url)
}

func TestGuides_ShellCommandsWork(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("NOT CHECKED: there is no %s", tool)
			return
		}
	}
	for name, want := range map[string]string{
		"README.md":         "Booking confirmed successfully",
		"docs/api-guide.md": "Booking cancelled successfully",
	} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			i := start(t)
			if _, err := i.Services().Demo.Load(t.Context()); err != nil {
				t.Fatal(err)
			}
			// An error response ends the script.
			script := "set -euo pipefail\ncurl() { command curl --fail-with-body \"$@\"; }\n" + guide(t, name, "sh", i.url)
			out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v, want %q in\n%s", err, want, out)
			}
		})
	}
}

// Whoever tries README's booking until the limit is reached is told so in words.
func TestReadme_BookingEndsWithASentence(t *testing.T) {
	t.Parallel()
	i := start(t, "MAX_SEATS_PER_USER_PER_SHOW=2")
	if _, err := i.Services().Demo.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for run, want := range []string{"Booking confirmed successfully", "Nothing was booked"} {
		out, err := exec.CommandContext(t.Context(), "bash", "-c", guide(t, "README.md", "sh", i.url)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("run %d: %v, want %q in\n%s", run+1, err, want, out)
		}
		if run == 1 && !strings.Contains(string(out), `"code":"seat_limit_exceeded"`) {
			t.Errorf("the reason is missing in\n%s", out)
		}
	}
}
