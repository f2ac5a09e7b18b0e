package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
			t.Skipf("NOT CHECKED: there is no %s", tool)
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

// proxied is what a proxy sends on or says itself, one response a request; the last one again and again.
var proxied = map[string][]func(w http.ResponseWriter){
	"GET /recovers":  {bad(502), bad(504), empty(504), bad(503), fine},
	"GET /never":     {bad(502)},
	"GET /missing":   {bad(404)},
	"GET /portal":    {bad(200)},
	"GET /nothing":   {empty(200)},
	"GET /other":     {other(500)},
	"GET /cut":       {cut, fine},
	"GET /ours":      {ours(503, "database_unavailable"), fine},
	"GET /refused":   {ours(409, "show_started")},
	"POST /keyed":    {bad(502), empty(504), cut, fine},
	"POST /unkeyed":  {bad(502), fine},
	"POST /unkeyed2": {cut, fine},
	"DELETE /gone":   {empty(502), empty(204)},
}

func fine(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"fine":true}`)
}

func bad(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Retry-After", "Wed, 01 May 2030 12:00:00 GMT")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<html><h1>%d</h1></html>", status)
	}
}

func empty(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(status) }
}

func other(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":"upstream"}`)
	}
}

func ours(status int, code string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"message":"No","code":%q,"request_id":"r"}`, code)
	}
}

// cut ends the connection within the body.
func cut(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"fine":`)
	panic(http.ErrAbortHandler)
}

func TestGuides_ClientSurvivesProxies(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("NOT CHECKED: there is no node")
	}
	var mu sync.Mutex
	seen := map[string][]string{} // keys by route
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v1")
		mu.Lock()
		responses := proxied[route]
		respond := responses[min(len(seen[route]), len(responses)-1)]
		seen[route] = append(seen[route], r.Header.Get("Idempotency-Key"))
		mu.Unlock()
		respond(w)
	}))
	t.Cleanup(server.Close)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)

	// The waits of the client, which undici shares, are a hundredth.
	script := "const timeout = setTimeout; globalThis.setTimeout = (f, ms, ...rest) => timeout(f, ms / 100, ...rest);\n" +
		guide(t, "docs/api-guide.md", "js", server.URL) + `
		const outcomes = {};
		for (const [route, options] of Object.entries({
			"GET /recovers": {attempts: 5}, "GET /never": {}, "GET /missing": {}, "GET /portal": {}, "GET /nothing": {}, "GET /other": {}, "GET /cut": {},
			"GET /ours": {}, "GET /refused": {}, "POST /keyed": {key: "k", body: {}}, "POST /unkeyed": {body: {}}, "POST /unkeyed2": {body: {}},
			"DELETE /gone": {},
		})) {
			const [method, path] = route.split(" ");
			outcomes[route] = await call(method, path, options).then(
				(result) => JSON.stringify(result),
				(e) => e instanceof ApiError ? [e.status, e.code, e.message].join(" ") : e.name);
		}
		console.log(JSON.stringify(outcomes));`
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, "--input-type=module", "--eval", script).Output()
	if err != nil {
		t.Fatalf("%v: %s %s", err, out, stderr(err))
	}
	var got map[string]string
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if diff := cmp.Diff(map[string]string{
		"GET /recovers":  `{"fine":true}`,
		"GET /never":     "502 no_response The service cannot be reached (502)",
		"GET /missing":   "404 no_response The service cannot be reached (404)",
		"GET /portal":    "200 no_response The service cannot be reached (200)",
		"GET /nothing":   "200 no_response The service cannot be reached (200)",
		"GET /other":     "500 no_response The service cannot be reached (500)",
		"GET /cut":       `{"fine":true}`,
		"GET /ours":      `{"fine":true}`,
		"GET /refused":   "409 show_started No",
		"POST /keyed":    `{"fine":true}`,
		"POST /unkeyed":  "502 no_response The service cannot be reached (502)",
		"POST /unkeyed2": "TypeError",
		"DELETE /gone":   "null",
	}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	mu.Lock()
	defer mu.Unlock()
	if diff := cmp.Diff([]string{"k", "k", "k", "k"}, seen["POST /keyed"]); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	for route, want := range map[string]int{"GET /never": 4, "GET /missing": 1, "GET /portal": 1, "POST /unkeyed": 1, "POST /unkeyed2": 1} {
		if n := len(seen[route]); n != want {
			t.Errorf("%s: %d requests, want %d", route, n, want)
		}
	}
}

func stderr(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}
