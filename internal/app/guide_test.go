package app_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
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

func TestGuides_ScriptWorksInABrowser(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "PAYMENT_SUCCESS_RATE=1")
	script := guide(t, "docs/api-guide.md", "js", b.url)
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "api-guide.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, room, found := strings.Cut(string(content), "async function admitted")
	if !found {
		t.Fatal("the guide has no script for the waiting room")
	}
	room, _, _ = strings.Cut(room, "```")
	if !strings.Contains(script, "async function admitted") {
		script += "\nasync function admitted" + room
	}
	var outcome string
	ctx := openBrowser(t)
	if err := chromedp.Do(ctx, chromedp.Navigate(b.url+"/api-docs/"), until(operation("POST", "/api/v1/auth/login")),
		do(fmt.Sprintf(`(async () => {
			%s
			const token = %q, show = %d;
			const places = [];
			const until = await admitted(token, show, (place) => places.push(place));
			const booking = await book(token, show, [%d, %d]);
			let refusal;
			try { await book(token, show, [%[4]d]) } catch (e) { refusal = e.code }
			return [typeof until, booking.message, booking.confirmed_seats.length, refusal].join();
		})().then((text) => { window.outcome = text }, (e) => { window.outcome = 'failed: ' + e.stack })`, script, b.user(t), b.show, b.seats[0], b.seats[1])),
		until(`window.outcome`), read(`window.outcome`, &outcome)); err != nil {
		t.Fatal(err)
	}
	if want := "string,Booking confirmed successfully,2,seats_unavailable"; outcome != want {
		t.Errorf("the script returns %q, want %q", outcome, want)
	}
}
