//go:build long

package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

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
