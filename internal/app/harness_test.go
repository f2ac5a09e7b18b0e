package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"evently/api/apitest"
	"evently/internal/app"
	"evently/internal/config"
	"evently/internal/telemetry"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

type instance struct {
	*app.App
	url    string
	cfg    *config.Config
	client *http.Client
	stop   context.CancelFunc // like SIGTERM
	ended  chan struct{}
	err    error // of Run; valid once ended is closed
	log    *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// configure returns the default configuration on stores of this test's own, changed by settings NAME=value.
func configure(t testing.TB, settings ...string) *config.Config {
	t.Helper()
	environ := map[string]string{
		"APP_ENV":            "development",
		"PORT":               "0",
		"DATABASE_MAX_CONNS": "8",    // the instances of parallel tests share one server
		"LOG_FORMAT":         "json", // for logged
		// Opening connections is slow while all packages test at once.
		"DATABASE_ACQUIRE_TIMEOUT": "10s",
	}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		environ[name] = value
	}
	if environ["DATABASE_URL"] == "" {
		environ["DATABASE_URL"] = testkit.DatabaseURL(t)
		environ["MIGRATE_ON_START"] = "false" // it is migrated, and would be connected to twice more
	}
	if environ["REDIS_URL"] == "" {
		environ["REDIS_URL"] = testkit.RedisURL(t)
	}
	cfg, err := config.Load(environ, config.NeedServe)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// start runs an instance until the test ends, and checks that it ended well.
func start(t testing.TB, settings ...string) *instance {
	t.Helper()
	return startWith(t, configure(t, settings...))
}

// startWith runs an instance with cfg until the test ends. Several instances may share a cfg.
func startWith(t testing.TB, cfg *config.Config, adjust ...func(*app.Options)) *instance {
	t.Helper()
	i := &instance{cfg: cfg, ended: make(chan struct{}), log: &lockedBuffer{}}
	var err error
	options := app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, i.log), Version: "test"}
	for _, set := range adjust {
		set(&options)
	}
	if i.App, err = app.New(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(strings.TrimPrefix(i.Addr().String(), "[::]"), ":")
	i.url = "http://127.0.0.1:" + port
	transport := &http.Transport{MaxIdleConnsPerHost: 100}
	i.client = &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var ctx context.Context
	ctx, i.stop = context.WithCancel(context.WithoutCancel(t.Context()))
	go func() {
		defer close(i.ended)
		i.err = i.Run(ctx)
	}()
	t.Cleanup(func() {
		i.stop()
		transport.CloseIdleConnections()
		select {
		case <-i.ended:
		case <-time.After(time.Minute):
			t.Error("the instance did not stop")
			return
		}
		if i.err != nil {
			t.Errorf("Run: %v", i.err)
		}
		if t.Failed() {
			t.Logf("log of the instance:\n%s", i.log)
		}
	})
	return i
}

// request is a request to send. The zero method is GET.
type request struct {
	method, path string
	token        string
	body         any // a string or []byte is sent as it is, anything else as JSON
	header       map[string]string
}

// response is a response that was validated against the OpenAPI document.
type response struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any // nil unless it is a JSON object
}

// member returns the member of the body at a path such as "checks.redis.status".
func (r response) member(t testing.TB, path string) any {
	t.Helper()
	var value any = r.body
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("no %s in %s", path, r.raw)
		}
		value = object[name]
	}
	return value
}

func (r response) text(t testing.TB, path string) string {
	t.Helper()
	text, ok := r.member(t, path).(string)
	if !ok {
		t.Fatalf("%s is not a string in %s", path, r.raw)
	}
	return text
}

func (r response) id(t testing.TB, path string) int64 {
	t.Helper()
	number, ok := r.member(t, path).(float64)
	if !ok {
		t.Fatalf("%s is not a number in %s", path, r.raw)
	}
	return int64(number)
}

// dial opens a connection for bytes that an HTTP client does not send.
func dial(t testing.TB, addr net.Addr) (net.Conn, error) {
	t.Helper()
	return new(net.Dialer).DialContext(t.Context(), addr.Network(), addr.String())
}

// code returns the code of an error response, or "".
func (r response) code() string {
	code, _ := r.body["code"].(string)
	return code
}

// send sends a request and validates the response against the OpenAPI document.
func (i *instance) send(t testing.TB, in request) response {
	t.Helper()
	if in.method == "" {
		in.method = http.MethodGet
	}
	payload := encode(t, in.body)
	req, err := http.NewRequestWithContext(t.Context(), in.method, i.url+in.path, bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	if in.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if in.token != "" {
		req.Header.Set("Authorization", "Bearer "+in.token)
	}
	for name, value := range in.header {
		req.Header.Set(name, value)
	}
	resp, err := i.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out := response{status: resp.StatusCode, header: resp.Header}
	if out.raw, err = io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Request-ID") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s %s: headers are missing: %v", in.method, in.path, resp.Header)
	}
	if in.method != http.MethodHead { // the document describes GET
		apitest.ValidateResponse(t, req, payload, resp, out.raw)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") && len(out.raw) > 0 {
		if err := json.Unmarshal(out.raw, &out.body); err != nil {
			t.Errorf("%s %s: %v in %s", in.method, in.path, err, out.raw)
		}
	}
	return out
}

func encode(t testing.TB, body any) []byte {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case string:
		return []byte(b)
	case []byte:
		return b
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// want fails the test unless the response has the status and the code; "" is no code.
func (r response) want(t testing.TB, status int, code string) response {
	t.Helper()
	if r.status != status || r.code() != code {
		t.Fatalf("status %d %q, want %d %q: %s", r.status, r.code(), status, code, r.raw)
	}
	return r
}

func (i *instance) register(t testing.TB, email string) string {
	t.Helper()
	response := i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/register", body: map[string]any{
		"email": email, "password": "password of " + email,
	}}).want(t, http.StatusCreated, "")
	return response.text(t, "token")
}

func (i *instance) login(t testing.TB, email, password string) string {
	t.Helper()
	response := i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/login", body: map[string]any{
		"email": email, "password": password,
	}}).want(t, http.StatusOK, "")
	return response.text(t, "token")
}

func (i *instance) admin(t testing.TB) string {
	t.Helper()
	const email, password = "admin@example.com", "admin-password"
	if _, err := i.Services().Auth.EnsureAdmin(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	return i.login(t, email, password)
}

// logged returns the log lines with a message, or all lines if message is "".
func (i *instance) logged(t testing.TB, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(i.log.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if message == "" || one[slog.MessageKey] == message {
			found = append(found, one)
		}
	}
	return found
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("timed out waiting for %s", what)
		}
	}
}
