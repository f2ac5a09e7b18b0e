package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"evently/internal/testkit"
)

const (
	instances = 3
	// auditGrace is how late a job may be at the audit, which runs when all is at rest.
	auditGrace = time.Second
)

// cluster is a number of instances behind a reverse proxy, each with its own links to one pair of stores.
type cluster struct {
	t               *testing.T
	binary          string
	dir             string
	postgres, redis *store
	pool            *pgxpool.Pool // to the database itself
	settings        []string      // added to those of every instance, and stronger
	all             []*instance
	front           *httptest.Server
	next            atomic.Int64
}

// binaryDir is where built puts the binary.
var binaryDir string

// built builds the tested binary, with the race detector if the tests have it.
var built = sync.OnceValues(func() (string, error) {
	var args []string
	if raceEnabled {
		args = append(args, "-race")
	}
	return filepath.Join(binaryDir, "evently"), build(filepath.Join(binaryDir, "evently"), args...)
})

// build builds the service with more arguments for go build.
func build(binary string, args ...string) error {
	args = append([]string{"build", "-buildvcs=false", "-o", binary}, args...)
	out, err := exec.CommandContext(context.Background(), "go", append(args, "evently/cmd/evently")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// discardLog is a logger for go-redis, which logs the faults that the test makes.
type discardLog struct{}

func (discardLog) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(discardLog{})
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	var err error
	if binaryDir, err = os.MkdirTemp("", "evently-chaos-"); err != nil {
		log.Print(err)
		return 1
	}
	defer func() { _ = os.RemoveAll(binaryDir) }()
	return m.Run()
}

func builtOrFail(t *testing.T) string {
	t.Helper()
	binary, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// newCluster starts count instances of binary, with further settings, and their stores. All of it ends
// with the test.
func newCluster(t *testing.T, binary string, count int, settings ...string) *cluster {
	t.Helper()
	c := &cluster{t: t, binary: binary, dir: t.TempDir(), settings: settings, postgres: newPostgres(t), redis: newRedis(t)}
	var err error
	if c.pool, err = pgxpool.New(t.Context(), c.postgres.URL()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.pool.Close)
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	for n := range count {
		c.all = append(c.all, c.newInstance(server, n))
	}
	for _, i := range c.all {
		i.start()
	}
	for _, i := range c.all {
		i.awaitReady()
	}
	c.front = httptest.NewServer(c.proxy(func() *instance { return c.all[int(c.next.Add(1))%count] }))
	t.Cleanup(c.front.Close)
	return c
}

// newInstance returns an instance with a database user of its own, which identifies its connections.
func (c *cluster) newInstance(server *toxiproxy.ApiServer, number int) *instance {
	c.t.Helper()
	i := &instance{cluster: c, number: number, port: freePort(c.t), role: fmt.Sprintf("instance%d", number)}
	testkit.Exec(c.t, c.pool, fmt.Sprintf(`CREATE ROLE %s SUPERUSER LOGIN PASSWORD 'secret'`, i.role))
	database, err := url.Parse(c.postgres.URL())
	if err != nil {
		c.t.Fatal(err)
	}
	database.User = url.UserPassword(i.role, "secret")
	i.database, i.databaseURL = newLink(c.t, server, fmt.Sprint("database", number), database.String())
	i.redis, i.redisURL = newLink(c.t, server, fmt.Sprint("redis", number), c.redis.URL())
	c.t.Cleanup(i.kill)
	return i
}

// notSentHeader marks the 502 of a request that did not reach an instance.
const notSentHeader = "X-Not-Sent"

// proxy sends each request to one instance, once, and leaves retries to the client.
func (c *cluster) proxy(pick func() *instance) http.Handler {
	transport := &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: time.Second}
	c.t.Cleanup(transport.CloseIdleConnections)
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "127.0.0.1:" + pick().port})
			r.SetXForwarded()
		},
		Transport: transport,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			var network *net.OpError
			if errors.As(err, &network) && network.Op == "dial" {
				w.Header().Set(notSentHeader, "1")
			}
			w.WriteHeader(http.StatusBadGateway)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

// audit runs `evently audit` directly on the stores and returns its output.
func (c *cluster) audit() (string, error) {
	cmd := exec.CommandContext(c.t.Context(), c.binary, "audit", "--grace", auditGrace.String(), "--settle", "500ms")
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "DATABASE_URL="+c.postgres.URL(), "REDIS_URL="+c.redis.URL())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
