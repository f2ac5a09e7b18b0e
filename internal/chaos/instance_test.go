package chaos_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	// skewed is the instance whose clock is wrong by skew.
	skewed = 2
	skew   = 30 * time.Second
	// cacheAge is how old a seat map may be.
	cacheAge = 200 * time.Millisecond
	// holdFor is short, so that holds expire while clients book.
	holdFor = 2 * time.Second
	// chargeTimeout is short, so that payments that were left open are settled soon.
	chargeTimeout = 500 * time.Millisecond
)

// jwtSecret is random: production refuses what stands in a file.
var jwtSecret = rand.Text() + rand.Text()

// instance is a process of the service with its links to the stores.
type instance struct {
	cluster         *cluster
	number          int
	port            string
	role            string // its user in the database
	database, redis *link
	databaseURL     string
	redisURL        string

	mu    sync.Mutex // of the process
	cmd   *exec.Cmd
	ended chan struct{} // closed when the process has ended
}

// environ returns the environment of the process: all that takes time is short.
func (i *instance) environ() []string {
	offset, env := time.Duration(0), "production"
	if i.number == skewed {
		offset, env = skew, "development" // production refuses another clock
	}
	environ := append(os.Environ(),
		"PORT="+i.port, "DATABASE_URL="+i.databaseURL, "REDIS_URL="+i.redisURL,
		"APP_ENV="+env, "JWT_SECRET="+jwtSecret, "CLOCK_OFFSET="+offset.String(),
		"LOG_LEVEL=info", "LOG_FORMAT=json",
		fmt.Sprintf("SEAT_LOCK_TIMEOUT=%d", holdFor/time.Second), "CLEANUP_SCHEDULE=@every 1s",
		"PAYMENT_DELAY=10ms", "PAYMENT_SUCCESS_RATE=0.9", "PAYMENT_TIMEOUT="+chargeTimeout.String(),
		"PAYMENT_SIMULATED_OUTCOMES=true",
		"MAX_SEATS_PER_USER_PER_SHOW=0", "CACHE_MAX_AGE="+cacheAge.String(),
		"DRAIN_DELAY=1s", "DATABASE_QUERY_TIMEOUT=1s", "DATABASE_MAX_CONNS=8", "HTTP_READ_TIMEOUT=1s", "HTTP_WRITE_TIMEOUT=2s",
		"RATE_LIMIT_PER_MINUTE=0", "BOOKING_RATE_LIMIT_PER_MINUTE=0",
	)
	return append(environ, i.cluster.settings...)
}

func (i *instance) logPath() string {
	return filepath.Join(i.cluster.dir, fmt.Sprintf("instance-%d.log", i.number))
}

// start starts the process and does not wait until it is ready.
func (i *instance) start() {
	i.mu.Lock()
	defer i.mu.Unlock()
	logFile, err := os.OpenFile(i.logPath(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		i.cluster.t.Error(err)
		return
	}
	defer func() { _ = logFile.Close() }()
	i.cmd = exec.CommandContext(context.Background(), i.cluster.binary, "serve") // kill ends it
	i.cmd.Dir, i.cmd.Env, i.cmd.Stdout, i.cmd.Stderr = i.cluster.dir, i.environ(), logFile, logFile
	if err := i.cmd.Start(); err != nil {
		i.cluster.t.Error(err)
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
	if i.cmd == nil {
		return
	}
	if err := i.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		i.cluster.t.Error(err)
	}
}

// kill ends the process as a crash does and waits for its end.
func (i *instance) kill() {
	i.signal(syscall.SIGKILL)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cmd != nil {
		<-i.ended
	}
}

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

// awaitReady waits until the instance is ready. It starts one that has ended again, as a supervisor does:
// an instance cannot start without its database.
func (i *instance) awaitReady() {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); pause(context.Background(), 50*time.Millisecond) {
		if !i.running() {
			i.start()
		}
		if i.isReady() {
			return
		}
	}
	i.cluster.t.Errorf("instance %d is not ready:\n%s", i.number, tail(i.log()))
}

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

// log returns what the instance has logged.
func (i *instance) log() string {
	text, _ := os.ReadFile(i.logPath())
	return string(text)
}

// tail returns the end of a log.
func tail(log string) string { return log[max(0, len(log)-4000):] }
