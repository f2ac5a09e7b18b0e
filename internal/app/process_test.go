//go:build compat || long

package app_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
}

// buildBinary builds the service from the source in dir.
func buildBinary(t *testing.T, dir string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "evently")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "./cmd/evently")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// processSecret is random: production refuses what stands in a file.
var processSecret = sync.OnceValue(func() string { return rand.Text() + rand.Text() })

// process is an instance in a process of its own, as it is in production.
type process struct {
	url     string
	command *exec.Cmd
	log     *lockedBuffer
	ended   chan struct{}
	err     error // of the process; valid once ended is closed
}

// startProcess starts `serve` of a binary on a free port until the test ends, and waits until it is ready.
func startProcess(t *testing.T, binary string, settings ...string) *process {
	t.Helper()
	return startProcessOn(t, freePort(t), binary, settings...)
}

func startProcessOn(t *testing.T, port, binary string, settings ...string) *process {
	t.Helper()
	p := &process{url: "http://127.0.0.1:" + port, log: &lockedBuffer{}, ended: make(chan struct{})}
	p.command = exec.CommandContext(context.WithoutCancel(t.Context()), binary, "serve")
	p.command.Dir = t.TempDir()
	p.command.Stdout, p.command.Stderr = p.log, p.log
	p.command.Env = append([]string{
		"APP_ENV=production", "LISTEN_ADDR=127.0.0.1", "PORT=" + port, "JWT_SECRET=" + processSecret(), "DATABASE_MAX_CONNS=8",
		"PAYMENT_DELAY=0s", "PAYMENT_SUCCESS_RATE=1",
		"RATE_LIMIT_PER_MINUTE=0", "BOOKING_RATE_LIMIT_PER_MINUTE=0", "AUTH_RATE_LIMIT_PER_MINUTE=0",
		// A slow machine is no failure.
		"DATABASE_QUERY_TIMEOUT=30s", "DATABASE_ACQUIRE_TIMEOUT=30s", "REDIS_TIMEOUT=5s", "HTTP_WRITE_TIMEOUT=50s",
	}, settings...)
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.command.Wait()
	}()
	t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("log of %s:\n%s", p.url, p.log)
		}
	})
	client := newCaller(t, p.url)
	eventually(t, "the instance to be ready", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("the instance ended, %v:\n%s", p.err, p.log)
		default:
		}
		return client.call(http.MethodGet, "/health/ready", nil).status == http.StatusOK
	})
	return p
}

// end sends a signal that ends the process, and waits for its end.
func (p *process) end(signal syscall.Signal) {
	_ = p.command.Process.Signal(signal) // fails if it has ended
	<-p.ended
}

// caller calls the API as a client that knows nothing of its implementation.
type caller struct {
	base, token string
	http        *http.Client
	received    func(method string, a answer) // may be nil
}

// answer is what a caller received.
type answer struct {
	path   string
	status int // 0: no response
	header http.Header
	raw    []byte
	err    error
	body   map[string]any // nil unless it is a JSON object
}

func (a answer) String() string { return fmt.Sprintf("%s: %d %s %v", a.path, a.status, a.raw, a.err) }

func (a answer) code() string {
	code, _ := a.body["code"].(string)
	return code
}

func newCaller(t *testing.T, base string) *caller {
	t.Helper()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &caller{base: base, http: &http.Client{Transport: transport, Timeout: time.Minute}}
}

// registered returns a caller with the token of a new user.
func registered(t *testing.T, base string) *caller {
	t.Helper()
	c := newCaller(t, base)
	got := c.call(http.MethodPost, "/api/v1/auth/register", map[string]any{
		"email": rand.Text() + "@example.com", "password": "password " + rand.Text(),
	})
	if got.status != http.StatusCreated {
		t.Fatal(got)
	}
	c.token, _ = got.body["token"].(string)
	return c
}

func (c *caller) call(method, path string, body any) answer {
	var payload io.Reader = http.NoBody
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return answer{err: err}
		}
		payload = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.base+path, payload)
	if err != nil {
		return answer{err: err}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	a := c.do(req)
	if c.received != nil {
		c.received(method, a)
	}
	return a
}

func (c *caller) do(req *http.Request) (a answer) {
	a.path = req.Method + " " + req.URL.Path
	resp, err := c.http.Do(req)
	if err != nil {
		a.err = err
		return a
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		a.err = errors.Join(errors.New("incomplete response"), err)
		return a
	}
	a.status, a.header, a.raw = resp.StatusCode, resp.Header, raw
	_ = json.Unmarshal(raw, &a.body)
	return a
}

// book locks, pays, confirms and cancels one seat. It ends with the first response that is not 200.
func (c *caller) book(show, seat int64) answer {
	got := c.call(http.MethodPost, "/api/v1/bookings/lock", map[string]any{"show_id": show, "seat_ids": []int64{seat}})
	if got.status != http.StatusOK {
		return got
	}
	id, _ := got.body["booking_id"].(float64)
	got = c.call(http.MethodPost, "/api/v1/bookings/payments/simulate", map[string]any{"booking_id": int64(id), "amount": got.body["amount"]})
	for _, step := range []string{"confirm", "cancel"} {
		if got.status == http.StatusOK {
			got = c.call(http.MethodPost, fmt.Sprintf("/api/v1/bookings/%d/%s", int64(id), step), nil)
		}
	}
	return got
}
