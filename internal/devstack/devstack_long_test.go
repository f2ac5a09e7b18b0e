//go:build long

package devstack

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

func TestBothStoresWantAPassword(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Dir: stackDir(t), Ephemeral: true})

	config, err := pgx.ParseConfig(s.DatabaseURL)
	check(t, err)
	config.Password = "wrong"
	if conn, err := pgx.ConnectConfig(t.Context(), config); err == nil {
		_ = conn.Close(t.Context())
		t.Error("PostgreSQL let a wrong password in")
	}
	opts, err := redis.ParseURL(s.RedisURL)
	check(t, err)
	opts.Password = ""
	client := redis.NewClient(opts)
	t.Cleanup(func() { _ = client.Close() })
	if err := client.Ping(t.Context()).Err(); err == nil {
		t.Error("Redis answered without a password")
	}
}

func TestRestartKeepsDataPortAndPassword(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	first := start(t, Options{Dir: dir})
	exec1(t, first.DatabaseURL, `CREATE TABLE kept AS SELECT 42 AS answer`)
	check(t, first.Stop(t.Context()))
	if _, err := os.Stat(filepath.Join(dir, lockName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("lock file after Stop: %v", err)
	}
	if _, err := os.Stat(filepath.Join(first.PostgresDataDir, "postmaster.pid")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("postmaster.pid after Stop: %v", err)
	}

	second := start(t, Options{Dir: dir})
	if second.DatabaseURL != first.DatabaseURL {
		t.Errorf("the URL changed from %s to %s", first.DatabaseURL, second.DatabaseURL)
	}
	var answer int
	check(t, connect(t, second.DatabaseURL).QueryRow(t.Context(), `SELECT answer FROM kept`).Scan(&answer))
	if answer != 42 {
		t.Errorf("answer is %d", answer)
	}
}

func TestSecondStartInOneFolderIsRefused(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	running := start(t, Options{Dir: dir})
	_, err := Start(t.Context(), Options{Dir: dir})
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("got %v, want ErrInUse", err)
	}
	exec1(t, running.DatabaseURL, `SELECT 1`) // the refusal did no harm
	check(t, redisClient(t, running.RedisURL).Ping(t.Context()).Err())
}

func TestStartAfterACrash(t *testing.T) {
	t.Parallel()
	for name, outlive := range map[string]bool{"stores died with it": false, "stores live on": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := stackDir(t)
			crashing, before := startHelper(t, helper{Dir: dir, OutliveParent: outlive})
			exec1(t, before.DatabaseURL, `CREATE TABLE kept AS SELECT 42 AS answer`)
			orphan, err := readPostmasterPID(filepath.Join(before.PostgresDataDir, "postmaster.pid"))
			check(t, err)
			orphanedRedis := runID(t, before.RedisURL)

			check(t, crashing.Process.Signal(syscall.SIGKILL))
			_ = crashing.Wait() // its error is the signal
			if outlive && !isOurs(t.Context(), orphan, postgresNames, before.PostgresDataDir) {
				t.Fatal("there is no orphan to recover from")
			}
			after := start(t, Options{Dir: dir})
			var answer int
			check(t, connect(t, after.DatabaseURL).QueryRow(t.Context(), `SELECT answer FROM kept`).Scan(&answer))
			if answer != 42 {
				t.Errorf("answer is %d", answer)
			}
			if isOurs(t.Context(), orphan, postgresNames, before.PostgresDataDir) {
				t.Error("the orphan still runs")
			}
			if runID(t, after.RedisURL) == orphanedRedis {
				t.Error("the orphaned Redis still runs")
			}
			check(t, after.Stop(t.Context()))
			if left := processesBelow(t, dir); len(left) > 0 {
				t.Errorf("still running: %v", left)
			}
		})
	}
}

func TestKilledOwnerTakesTheStoresDown(t *testing.T) {
	t.Parallel()
	if !isDir("/proc/self") {
		t.Log("no parent death signal on this system: the next start cleans up, see TestStartAfterACrash")
		return
	}
	dir := stackDir(t)
	crashing, _ := startHelper(t, helper{Dir: dir})
	check(t, crashing.Process.Signal(syscall.SIGKILL))
	_ = crashing.Wait()
	eventually(t, "all processes below the folder are gone", func() bool { return len(processesBelow(t, dir)) == 0 })
}

func TestForeignProcessInThePIDFileIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	first := start(t, Options{Dir: dir})
	check(t, first.Stop(t.Context()))

	bystander := exec.CommandContext(t.Context(), "sleep", "600")
	check(t, bystander.Start())
	pid := bystander.Process.Pid
	pidFile := filepath.Join(first.PostgresDataDir, "postmaster.pid")
	check(t, os.WriteFile(pidFile, []byte(strconv.Itoa(pid)+"\n"+first.PostgresDataDir+"\n"), 0o600))
	st, err := loadState(filepath.Join(dir, stateName))
	check(t, err)
	st.Redis.PID = pid
	check(t, st.save())

	start(t, Options{Dir: dir})
	check(t, bystander.Process.Signal(syscall.Signal(0)))
	var status syscall.WaitStatus
	if got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err != nil || got != 0 {
		t.Errorf("the bystander ended: wait4 says %d, %v", got, err)
	}
	check(t, bystander.Process.Kill())
	_ = bystander.Wait()
}

func TestCutOffPIDFileIsNoObstacle(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	first := start(t, Options{Dir: dir})
	check(t, first.Stop(t.Context()))
	check(t, os.WriteFile(filepath.Join(first.PostgresDataDir, "postmaster.pid"), nil, 0o600))
	start(t, Options{Dir: dir})
}

func TestHalfMadeClusterIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	first := start(t, Options{Dir: dir})
	check(t, first.Stop(t.Context()))
	check(t, os.Rename(first.PostgresDataDir, first.PostgresDataDir+".new"))
	check(t, os.Remove(filepath.Join(first.PostgresDataDir+".new", "PG_VERSION")))
	start(t, Options{Dir: dir})
}

func TestClusterGoesElsewhereWhenItsUserCannotReachTheFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(stackDir(t), "closed", "stack")
	check(t, os.MkdirAll(dir, 0o700))
	s := start(t, Options{Dir: dir, Ephemeral: true})
	elsewhere := !strings.HasPrefix(s.PostgresDataDir, dir)
	if asRoot := os.Geteuid() == 0; elsewhere != asRoot {
		t.Errorf("as root %v: the cluster is in %s, the stack in %s", asRoot, s.PostgresDataDir, dir)
	}
	check(t, s.Stop(t.Context()))
	if _, err := os.Stat(filepath.Dir(s.PostgresDataDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the cluster's folder is still there (%v)", err)
	}
}

func TestFailedStartShowsTheLog(t *testing.T) {
	t.Parallel()
	dir := stackDir(t)
	first := start(t, Options{Dir: dir})
	check(t, first.Stop(t.Context()))
	check(t, os.Remove(filepath.Join(first.PostgresDataDir, "global", "pg_control")))
	_, err := Start(t.Context(), Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "pg_control") {
		t.Fatalf("got %v", err)
	}
	if left := processesBelow(t, dir); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
}

func TestRemoveStaleTakesTheDeadAndLeavesTheLiving(t *testing.T) {
	t.Parallel()
	parent := stackDir(t)
	check(t, os.Chmod(parent, 0o711)) // PostgreSQL's user passes through
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	below := func(name string) string { return filepath.Join(parent, name) }
	crashing, orphans := startHelper(t, helper{Dir: below("s-dead"), OutliveParent: true})
	check(t, crashing.Process.Signal(syscall.SIGKILL))
	_ = crashing.Wait()
	alive := start(t, Options{Dir: below("s-living"), Ephemeral: true})
	for _, name := range []string{"s-unborn", "s-stillborn", "another"} {
		check(t, os.Mkdir(below(name), 0o700))
	}
	// Made, but not locked yet: with the file there and without.
	check(t, os.Mkdir(below("s-locking"), 0o700))
	check(t, os.WriteFile(filepath.Join(below("s-locking"), lockName), nil, 0o600))
	old := time.Now().Add(-2 * staleAge)
	for _, name := range []string{"s-dead", "s-living", "s-stillborn", "another"} {
		check(t, os.Chtimes(below(name), old, old))
	}

	check(t, RemoveStale(t.Context(), parent, "s-", log))
	if left := processesBelow(t, below("s-dead")); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	for name, want := range map[string]bool{
		"s-dead": false, "s-living": true, "s-unborn": true, "s-locking": true, "s-stillborn": false, "another": true,
	} {
		if isDir(below(name)) != want {
			t.Errorf("%s: exists %v, want %v", name, !want, want)
		}
	}
	if strings.HasPrefix(orphans.PostgresDataDir, parent) && isDir(orphans.PostgresDataDir) {
		t.Error("the data is still there")
	}
	exec1(t, alive.DatabaseURL, `SELECT 1`)
}
