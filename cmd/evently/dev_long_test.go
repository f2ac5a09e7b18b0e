//go:build long

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"evently/internal/service"
)

// devRun is `evently dev` with stores of its own in the working directory.
type devRun struct {
	url  string
	stop func()
}

// output keeps what a running command prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

var apiLine = regexp.MustCompile(`API +(http://\S+)/api/v1`)

func startDev(t *testing.T) devRun {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, errOut, ended := &output{}, &output{}, make(chan int, 1)
	go func() { ended <- run(ctx, []string{"dev"}, strings.NewReader(""), out, errOut) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("exit code %d: %s", code, errOut)
		}
	})
	t.Cleanup(stop)
	poll, deadline := time.NewTicker(50*time.Millisecond), time.After(3*time.Minute)
	defer poll.Stop()
	for {
		select {
		case <-poll.C:
			if match := apiLine.FindStringSubmatch(out.String()); match != nil {
				return devRun{url: match[1], stop: stop}
			}
		case <-deadline:
			t.Fatalf("it does not serve: %s%s", out, errOut)
		}
	}
}

func (d devRun) send(t *testing.T, method, path, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return response, string(content)
}

func TestDev_OnStoresOfItsOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, value := range map[string]string{"PORT": "0", "APP_ENV": "", "DATABASE_URL": "", "REDIS_URL": "", "JWT_SECRET": "", "CORS_ALLOWED_ORIGINS": ""} {
		t.Setenv(name, value)
	}
	first := startDev(t)
	response, body := first.send(t, "POST", "/api/v1/auth/login", `{"email":"`+service.DemoEmail+`","password":"`+service.DemoPassword+`"}`,
		http.Header{"Content-Type": {"application/json"}, "Origin": {"http://localhost:5173"}})
	var login struct {
		Token string
	}
	if err := json.Unmarshal([]byte(body), &login); err != nil || login.Token == "" {
		t.Fatalf("login: %d %s", response.StatusCode, body)
	}
	if got := response.Header.Get("Access-Control-Allow-Origin"); got != "http://localhost:5173" {
		t.Errorf("a page of this machine may not call the API: %q", got)
	}
	if response, _ := first.send(t, "GET", "/api/v1/shows", "", http.Header{"Origin": {"https://elsewhere.example"}}); response.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a page of elsewhere may call the API")
	}

	var env, errOut bytes.Buffer
	if code := run(t.Context(), []string{"dev", "--env"}, strings.NewReader(""), &env, &errOut); code != exitOK {
		t.Fatalf("--env: exit code %d: %s", code, &errOut)
	}
	for line := range strings.Lines(env.String()) {
		name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
		t.Setenv(name, strings.Trim(value, "'"))
	}
	var audited bytes.Buffer
	if code := run(t.Context(), []string{"audit"}, strings.NewReader(""), &audited, &errOut); code != exitOK {
		t.Errorf("audit with the settings of --env: exit code %d: %s%s", code, &audited, &errOut)
	}
	for _, name := range []string{"APP_ENV", "DATABASE_URL", "REDIS_URL", "JWT_SECRET"} {
		t.Setenv(name, "")
	}
	if code := run(t.Context(), []string{"dev", "--clean"}, strings.NewReader(""), io.Discard, io.Discard); code != exitFailure {
		t.Errorf("--clean while it runs: exit code %d", code)
	}
	first.stop()

	second := startDev(t)
	if response, body := second.send(t, "GET", "/api/v1/user/bookings", "", http.Header{"Authorization": {"Bearer " + login.Token}}); response.StatusCode != http.StatusOK {
		t.Errorf("the token after a restart: %d %s", response.StatusCode, body)
	}
	second.stop()
	if code := run(t.Context(), []string{"dev", "--clean"}, strings.NewReader(""), io.Discard, io.Discard); code != exitOK {
		t.Errorf("--clean: exit code %d", code)
	}
}
