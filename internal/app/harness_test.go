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

// instance is a whole Evently on a port of its own.
type instance struct {
	*app.App
	url    string
	cfg    *config.Config
	client *http.Client
	stop   context.CancelFunc // as a signal does
	ended  chan struct{}
	err    error // of Run, to be read when ended is closed
	log    *lockedBuffer
}

// lockedBuffer takes what several goroutines log.
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

// configure gives a configuration on fresh stores of this test's own, with settings NAME=value.
func configure(t testing.TB, settings ...string) *config.Config {
	t.Helper()
	environ := map[string]string{
		"PORT":               "0",
		"JWT_SECRET":         "the tests of this package sign with this",
		"PAYMENT_DELAY":      "0s",
		"DATABASE_MAX_CONNS": "8", // many instances share one server
		// Tests change rows by themselves and look at once.
		"CACHE_MAX_AGE":     "0s",
		"ANALYTICS_MAX_AGE": "0s",
		"LOG_LEVEL":         "debug",
		"LOG_FORMAT":        "json",
		// Limits that are there and that no test meets unless it asks for it.
		"RATE_LIMIT_PER_MINUTE":         "1000000",
		"BOOKING_RATE_LIMIT_PER_MINUTE": "1000000",
		"AUTH_RATE_LIMIT_PER_MINUTE":    "1000000",
	}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		environ[name] = value
	}
	if environ["DATABASE_URL"] == "" {
		environ["DATABASE_URL"] = testkit.DatabaseURL(t)
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

// startWith runs an instance on the stores of cfg, which another may be using, too.
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
	transport := &http.Transport{MaxIdleConnsPerHost: 100} // as many as race
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
			t.Error("the instance does not stop")
			return
		}
		if i.err != nil {
			t.Errorf("the instance ended badly: %v", i.err)
		}
		if t.Failed() {
			t.Logf("log of the instance:\n%s", i.log)
		}
	})
	return i
}

// request is a request to send; what is left out is a plain GET.
type request struct {
	method, path string
	token        string
	body         any // a string or []byte is sent as it is, anything else as JSON
	header       map[string]string
}

// response is an answer that was found to be as the OpenAPI document has it.
type response struct {
	status int
	header http.Header
	raw    []byte
	body   map[string]any // nil when the answer is no JSON object
}

// member gives a member of the body by its path, as in "checks.redis.status".
func (r response) member(t testing.TB, path string) any {
	t.Helper()
	var value any = r.body
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			t.Fatalf("there is no %s in %s", path, r.raw)
		}
		value = object[name]
	}
	return value
}

// text gives a member that is a string.
func (r response) text(t testing.TB, path string) string {
	t.Helper()
	text, ok := r.member(t, path).(string)
	if !ok {
		t.Fatalf("%s is no string in %s", path, r.raw)
	}
	return text
}

// id gives a member that is a whole number.
func (r response) id(t testing.TB, path string) int64 {
	t.Helper()
	number, ok := r.member(t, path).(float64)
	if !ok {
		t.Fatalf("%s is no number in %s", path, r.raw)
	}
	return int64(number)
}

// dial opens a connection for what an HTTP client would not send.
func dial(t testing.TB, addr net.Addr) (net.Conn, error) {
	t.Helper()
	return new(net.Dialer).DialContext(t.Context(), addr.Network(), addr.String())
}

// code gives the code of an error.
func (r response) code() string {
	code, _ := r.body["code"].(string)
	return code
}

// send sends a request and validates the answer against the OpenAPI document.
func (i *instance) send(t testing.TB, in request) response {
	t.Helper()
	if in.method == "" {
		in.method = http.MethodGet
	}
	payload := encode(t, in.body)
	// NewRequest would give a nil body a length; an empty reader is http.NoBody to it.
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
	if in.method != http.MethodHead { // the answer to GET without its body
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

// want fails the test unless the answer has this status and, unless code is "", this code.
func (r response) want(t testing.TB, status int, code string) response {
	t.Helper()
	if r.status != status || r.code() != code {
		t.Fatalf("answered %d %q, want %d %q: %s", r.status, r.code(), status, code, r.raw)
	}
	return r
}

// register makes a user and gives their token.
func (i *instance) register(t testing.TB, email string) string {
	t.Helper()
	answer := i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/register", body: map[string]any{
		"email": email, "password": "password of " + email,
	}}).want(t, http.StatusCreated, "")
	return answer.text(t, "token")
}

// login gives the token of somebody who is there already.
func (i *instance) login(t testing.TB, email, password string) string {
	t.Helper()
	answer := i.send(t, request{method: http.MethodPost, path: "/api/v1/auth/login", body: map[string]any{
		"email": email, "password": password,
	}}).want(t, http.StatusOK, "")
	return answer.text(t, "token")
}

// admin makes an administrator and gives their token.
func (i *instance) admin(t testing.TB) string {
	t.Helper()
	const email, password = "admin@example.com", "admin-password"
	if _, err := i.Services().Auth.EnsureAdmin(t.Context(), email, password); err != nil {
		t.Fatal(err)
	}
	return i.login(t, email, password)
}

// logged gives the lines that the instance has logged so far with this message, or all with "".
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
