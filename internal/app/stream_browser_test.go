//go:build long

package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/chromedp/chromedp"
)

// follow opens the stream as clients of Server-Sent Events do, reads it until it breaks, and opens it again.
const follow = `(async () => {
	const events = [];
	window.events = events;
	const headers = {Authorization: 'Bearer %[2]s', Accept: 'text/event-stream', 'Cache-Control': 'no-cache',
		traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=b'};
	for (let opened = 0; opened < 2; opened++) {
		const response = await fetch('%[1]s', {headers});
		const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
		try {
			for (let text = '';;) {
				const {value, done} = await reader.read();
				if (done) break;
				text += value;
				const blocks = text.split('\n\n');
				text = blocks.pop();
				for (const block of blocks) {
					if (block.startsWith(':')) continue;
					const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s)));
					fields.stream = opened + 1;
					events.push(fields);
					headers['Last-Event-ID'] = fields.id;
				}
			}
		} catch (cut) { /* open it again */ }
	}
})()`

func TestWaitingRoom_StreamResumesInABrowserOnAnotherOrigin(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprint(w, "<!DOCTYPE html><title>Another origin</title>")
	}))
	t.Cleanup(page.Close)
	b := openBoxOffice(t, "MAX_CONCURRENT_USERS=1", "CORS_ALLOWED_ORIGINS="+page.URL)
	first, second := b.user(t), b.user(t)
	b.room(t, first, http.MethodPost, "/join").want(t, http.StatusOK, "")
	b.room(t, second, http.MethodPost, "/join").want(t, http.StatusOK, "")

	target, err := url.Parse(b.url)
	if err != nil {
		t.Fatal(err)
	}
	resumed := make(chan string, 1)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		if id := r.In.Header.Get("Last-Event-ID"); id != "" {
			resumed <- id
		}
	}}
	between := httptest.NewServer(proxy)
	t.Cleanup(between.Close)

	ctx := openBrowser(t)
	run := func(what string, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	script := fmt.Sprintf(follow, fmt.Sprintf("%s/api/v1/waiting-room/%d/events", between.URL, b.show), second)
	run("open the stream", chromedp.Navigate(page.URL), until(`document.title === 'Another origin'`), do(script),
		until(`window.events.length > 0`))
	between.CloseClientConnections()
	run("open it again", until(`window.events.some((e) => e.stream === 2)`))
	b.room(t, first, http.MethodDelete, "").want(t, http.StatusNoContent, "")
	run("be admitted", until(`window.events.some((e) => e.data.includes('"status":"admitted"'))`))

	var events []struct {
		Stream                 int
		Event, ID, Retry, Data string
	}
	run("read", read(`window.events`, &events))
	last := map[int]string{}
	for _, e := range events {
		begins := last[e.Stream] == ""
		if e.Event != "status" || e.Data == "" || (e.Retry != "") != begins || (e.ID == "1") != begins {
			t.Errorf("event %+v, the first of its stream: %t", e, begins)
		}
		last[e.Stream] = e.ID
	}
	select {
	case id := <-resumed:
		if id != last[1] {
			t.Errorf("Last-Event-ID %q, want %q", id, last[1])
		}
	default:
		t.Error("no request had a Last-Event-ID")
	}
}
