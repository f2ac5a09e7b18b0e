package devstack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestStartServesAndStopLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	s := start(t, Options{Dir: dir, Ephemeral: true})

	var version, encoding, zone string
	conn := connect(t, s.DatabaseURL)
	check(t, conn.QueryRow(t.Context(), `SELECT current_setting('server_version'), current_setting('server_encoding'),
		current_setting('timezone')`).Scan(&version, &encoding, &zone))
	if !strings.HasPrefix(version, s.PostgresVersion) || encoding != "UTF8" || zone != "UTC" {
		t.Errorf("server says version %q encoding %q zone %q, the stack says %q", version, encoding, zone, s.PostgresVersion)
	}
	client := redisClient(t, s.RedisURL)
	check(t, client.Set(t.Context(), "k", "v", 0).Err())
	last := redisClient(t, strings.TrimSuffix(s.RedisURL, "/0")+"/"+strconv.Itoa(redisDatabases-1))
	check(t, last.Set(t.Context(), "k", "v", 0).Err())
	if len(processesBelow(t, dir)) == 0 && isDir("/proc/self") {
		t.Error("the process check sees nothing while the stack runs")
	}

	check(t, s.Stop(t.Context()))
	if left := processesBelow(t, dir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder of an ephemeral stack is still there (%v)", err)
	}
	check(t, s.Stop(t.Context())) // a second Stop is harmless
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// runID returns the id of the Redis process that serves url.
func runID(t *testing.T, url string) string {
	t.Helper()
	info, err := redisClient(t, url).InfoMap(t.Context(), "server").Result()
	check(t, err)
	return info["Server"]["run_id"]
}

func TestMissingPostgresIsAClearError(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	nothing := func(context.Context) binaries { return binaries{} }
	_, err := Start(t.Context(), Options{Dir: dir, find: nothing})
	if !errors.Is(err, errNoPostgres) {
		t.Fatalf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, lockName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lock file after a failed start: %v", err)
	}
}

func TestMissingRedisIsEmbeddedWithARunningClock(t *testing.T) {
	t.Parallel()
	noRedis := func(ctx context.Context) binaries {
		b := findBinaries(ctx)
		b.redis = ""
		return b
	}
	s := start(t, Options{Dir: stackDir(t), DatabaseURL: "postgres://given", find: noRedis})
	if !s.RedisEmbedded || s.DatabaseURL != "postgres://given" {
		t.Fatalf("got %+v", s)
	}
	client := redisClient(t, s.RedisURL)
	check(t, client.Set(t.Context(), "short", "v", 100*time.Millisecond).Err())
	check(t, client.Set(t.Context(), "long", "v", time.Hour).Err())
	eventually(t, "the short key expires", func() bool {
		return errors.Is(client.Get(t.Context(), "short").Err(), redis.Nil)
	})
	check(t, client.Get(t.Context(), "long").Err())
}

func TestGivenURLsStartNothing(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{DatabaseURL: "postgres://given", RedisURL: "redis://given"})
	check(t, err)
	if s.DatabaseURL != "postgres://given" || s.RedisURL != "redis://given" {
		t.Errorf("got %+v", s)
	}
	check(t, s.Stop(t.Context()))
}
