package devstack

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

const helperEnv = "EVENTLY_DEVSTACK_HELPER"

func TestMain(m *testing.M) {
	if raw := os.Getenv(helperEnv); raw != "" {
		runHelper(raw)
		return
	}
	goleak.VerifyTestMain(m)
}

// helper is what a test asks of a copy of the test binary, which then serves until it is killed.
type helper struct {
	Dir           string
	OutliveParent bool
}

func runHelper(raw string) {
	var h helper
	if err := json.Unmarshal([]byte(raw), &h); err != nil {
		panic(err)
	}
	s, err := Start(context.Background(), Options{Dir: h.Dir, outliveParent: h.OutliveParent})
	if err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil { //nolint:gosec // the secret of a test
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends, should it forget to kill us
	os.Exit(3)
}

// startHelper returns once the helper's stack serves.
func startHelper(t *testing.T, h helper) (*exec.Cmd, *Stack) {
	t.Helper()
	raw, err := json.Marshal(h)
	check(t, err)
	self, err := os.Executable()
	check(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), helperEnv+"="+string(raw))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	check(t, err)
	t.Cleanup(func() { _ = stdin.Close() })
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	check(t, err)
	var s Stack
	check(t, json.Unmarshal([]byte(line), &s))
	return cmd, &s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stackDir is a folder that PostgreSQL's user can reach, which t.TempDir is not for root.
func stackDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "evently-devstack-test-") //nolint:usetesting // see above
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	dir, err = filepath.EvalSymlinks(dir)
	check(t, err)
	return dir
}

func start(t *testing.T, o Options) *Stack {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	if o.find == nil {
		o.Install = true
	}
	s, err := Start(t.Context(), o)
	check(t, err)
	t.Cleanup(func() { check(t, s.Stop(context.Background())) })
	return s
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, url, sql string) {
	t.Helper()
	_, err := connect(t, url).Exec(t.Context(), sql)
	check(t, err)
}

func redisClient(t *testing.T, url string) *redis.Client {
	t.Helper()
	opts, err := redis.ParseURL(url)
	check(t, err)
	c := redis.NewClient(opts)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// processesBelow lists the processes whose working directory is below dir. PostgreSQL and all
// its backends run in the data folder, Redis in its own.
func processesBelow(t *testing.T, dir string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	check(t, err)
	var found []string
	for _, link := range links {
		if cwd, err := os.Readlink(link); err == nil && strings.HasPrefix(cwd, dir) {
			comm, _ := os.ReadFile(filepath.Join(filepath.Dir(link), "comm"))
			found = append(found, filepath.Base(filepath.Dir(link))+" "+strings.TrimSpace(string(comm)))
		}
	}
	return found
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	check(t, waitGone(t.Context(), 30*time.Second, cond))
	if !cond() {
		t.Fatalf("did not happen: %s", what)
	}
}
