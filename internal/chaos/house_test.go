package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"evently/internal/devstack"
)

const (
	instances = 3
	// skewed is the instance whose clock is off, and skew how far.
	skewed = 2
	skew   = 30 * time.Second
	// cacheAge is how old a seat map may be.
	cacheAge  = 200 * time.Millisecond
	jwtSecret = "chaos needs no better secret than this one"
	// holdFor is short, so that holds run out while people book.
	holdFor = 2 * time.Second
	// auditGrace is how long a hold may be overdue at the audit, which comes when none should be.
	auditGrace = time.Second
)

// house is three instances behind a reverse proxy, each on its own ways to one pair of stores.
type house struct {
	t      *testing.T
	binary string
	dir    string
	stack  *devstack.Stack
	// settings come behind those of every instance, and count.
	settings []string
	all      []*instance
	front    *httptest.Server
	next     atomic.Int64
}

// instance is a process, and its ways to the stores.
type instance struct {
	house           *house
	number          int
	port            string
	database, redis *way
	databaseURL     string
	redisURL        string

	mu  sync.Mutex // of the process: faults take turns, the end may come at any time
	cmd *exec.Cmd
	// ended is closed when the process is gone.
	ended chan struct{}
}

// built gives the binary that is tested, with the race detector if the tests have it.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "evently-chaos-")
	if err != nil {
		return "", err
	}
	var args []string
	if raceEnabled {
		args = append(args, "-race")
	}
	return filepath.Join(dir, "evently"), build(filepath.Join(dir, "evently"), args...)
})

// build builds the service with further arguments for go build.
func build(binary string, args ...string) error {
	args = append([]string{"build", "-buildvcs=false", "-o", binary}, args...)
	out, err := exec.CommandContext(context.Background(), "go", append(args, "evently/cmd/evently")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// quiet takes what go-redis says by itself of the faults that are made here.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	code := m.Run()
	if binary, err := built(); err == nil {
		_ = os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// builtOrFail gives the binary of built.
func builtOrFail(t *testing.T) string {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// openHouse starts so many instances of binary, with settings beside their own, and all that they
// need; it ends with the test.
func openHouse(t *testing.T, binary string, count int, settings ...string) *house {
	t.Helper()
	h := &house{t: t, binary: binary, dir: t.TempDir(), settings: settings}
	var err error
	// Durable: what was acknowledged has to survive a crash.
	h.stack, err = devstack.Start(t.Context(), devstack.Options{Dir: filepath.Join(h.dir, "stack"), Install: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.stack.Stop(context.Background()); err != nil {
			t.Errorf("stop the stores: %v", err)
		}
		if outside := h.stack.PostgresDataDir; !strings.HasPrefix(outside, h.dir) {
			_ = os.RemoveAll(filepath.Dir(outside))
		}
	})
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for n := range count {
		i := &instance{house: h, number: n, port: freePort(t)}
		i.database, i.databaseURL = newWay(t, server, fmt.Sprint("database", n), h.stack.DatabaseURL)
		i.redis, i.redisURL = newWay(t, server, fmt.Sprint("redis", n), h.stack.RedisURL)
		h.all = append(h.all, i)
		t.Cleanup(i.kill)
	}
	for _, i := range h.all {
		i.start()
	}
	for _, i := range h.all {
		i.awaitReady()
	}
	every := func() *instance { return h.all[int(h.next.Add(1))%count] }
	h.front = httptest.NewServer(h.proxy(every))
	t.Cleanup(h.front.Close)
	return h
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// way is one instance's way to one store, through toxiproxy.
type way struct {
	t        *testing.T
	server   *toxiproxy.ApiServer
	name     string
	listen   string
	upstream string
	proxy    *toxiproxy.Proxy
}

// newWay puts a proxy in front of a store and gives the URL to use instead.
func newWay(t *testing.T, server *toxiproxy.ApiServer, name, storeURL string) (w *way, instead string) {
	t.Helper()
	u, err := url.Parse(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	w = &way{t: t, server: server, name: name, listen: "127.0.0.1:" + freePort(t), upstream: u.Host}
	w.open()
	t.Cleanup(w.cut)
	u.Host = w.listen
	return w, u.String()
}

// cut breaks every connection and takes no new one.
func (w *way) cut() { w.proxy.Stop() }

// open opens a way that is as good as new: taking a toxic off one that is in use can take minutes.
func (w *way) open() {
	w.proxy = toxiproxy.NewProxy(w.server, w.name, w.listen, w.upstream)
	if err := w.proxy.Start(); err != nil {
		w.t.Errorf("open the way to %s: %v", w.name, err)
	}
}

// unsentHeader marks the 502 of a request that no instance can have seen.
const unsentHeader = "X-Not-Sent"

// proxy sends each request to one instance, once: a failure is the client's to deal with.
func (h *house) proxy(pick func() *instance) http.Handler {
	transport := &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Second}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + pick().port})
			r.SetXForwarded()
		},
		Transport: transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var network *net.OpError
			if errors.As(err, &network) && network.Op == "dial" {
				w.Header().Set(unsentHeader, "1")
			}
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

// environ are the settings of an instance: everything that takes time is short.
func (i *instance) environ() []string {
	offset := time.Duration(0)
	if i.number == skewed {
		offset = skew
	}
	environ := append(os.Environ(),
		"PORT="+i.port, "DATABASE_URL="+i.databaseURL, "REDIS_URL="+i.redisURL,
		"JWT_SECRET="+jwtSecret, "CLOCK_OFFSET="+offset.String(),
		"LOG_LEVEL=info", "LOG_FORMAT=json",
		fmt.Sprintf("SEAT_LOCK_TIMEOUT=%d", holdFor/time.Second), "CLEANUP_SCHEDULE=@every 1s",
		"PAYMENT_DELAY=10ms", "CACHE_MAX_AGE=0s", "PAYMENT_SUCCESS_RATE=0.95", "MAX_SEATS_PER_USER_PER_SHOW=0",
		"DRAIN_DELAY=1s", "DATABASE_QUERY_TIMEOUT=1s", "DATABASE_MAX_CONNS=8", "HTTP_READ_TIMEOUT=1s", "HTTP_WRITE_TIMEOUT=2s",
		"CACHE_MAX_AGE="+cacheAge.String(), "RATE_LIMIT_PER_MINUTE=0", "BOOKING_RATE_LIMIT_PER_MINUTE=0",
	)
	return append(environ, i.house.settings...)
}

// start starts the process; it does not wait.
func (i *instance) start() {
	i.mu.Lock()
	defer i.mu.Unlock()
	logFile, err := os.OpenFile(filepath.Join(i.house.dir, fmt.Sprintf("instance-%d.log", i.number)), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		i.house.t.Error(err)
		return
	}
	defer func() { _ = logFile.Close() }()
	i.cmd = exec.CommandContext(context.Background(), i.house.binary, "serve") // kill ends it
	i.cmd.Dir, i.cmd.Env, i.cmd.Stdout, i.cmd.Stderr = i.house.dir, i.environ(), logFile, logFile
	if err := i.cmd.Start(); err != nil {
		i.house.t.Error(err)
		i.cmd = nil
		return
	}
	i.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // killed, as a rule
		close(ended)
	}(i.cmd, i.ended)
}

func (i *instance) signal(s syscall.Signal) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd != nil {
		if err := i.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
			i.house.t.Error(err)
		}
	}
}

// kill ends the process as a crash does, and returns when it is gone.
func (i *instance) kill() {
	i.signal(syscall.SIGKILL)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd != nil {
		<-i.ended
	}
}

// running tells whether the process is there.
func (i *instance) running() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	select {
	case <-i.ended:
		return false
	default:
		return i.cmd != nil
	}
}

// awaitReady waits until the instance wants requests, starting it again if it gave up: without its
// database one cannot start, and whoever runs it starts it again.
func (i *instance) awaitReady() {
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if !i.running() {
			i.start()
		}
		if i.isReady() {
			return
		}
		pause(context.Background(), 50*time.Millisecond)
	}
	i.house.t.Errorf("instance %d does not become ready:\n%s", i.number, tail(i.log()))
}

// isReady asks the instance whether it wants requests.
func (i *instance) isReady() bool {
	client := http.Client{Timeout: 2 * time.Second}
	resp, err := client.Get("http://127.0.0.1:" + i.port + "/health/ready")
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// log gives what the instance has logged.
func (i *instance) log() string {
	text, _ := os.ReadFile(filepath.Join(i.house.dir, fmt.Sprintf("instance-%d.log", i.number)))
	return string(text)
}

// tail gives the end of a log.
func tail(log string) string { return log[max(0, len(log)-4000):] }

// audit runs `evently audit` on the stores themselves and gives what it prints.
func (h *house) audit() (string, error) {
	cmd := exec.CommandContext(h.t.Context(), h.binary, "audit", "--grace", auditGrace.String(), "--settle", "500ms")
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "DATABASE_URL="+h.stack.DatabaseURL, "REDIS_URL="+h.stack.RedisURL)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// pause waits, and not beyond ctx.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
