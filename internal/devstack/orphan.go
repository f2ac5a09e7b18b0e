package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	postgresNames = []string{"postgres", "postmaster"}
	redisNames    = []string{"redis-server", "valkey-server"}
)

// stopOrphans ends the stores of an earlier run that died without stopping them, and removes a
// PostgreSQL pid file that no longer names one. Call it with the folder's lock held: nobody else
// can then own these processes. A process is signalled only after it was recognised as one of
// ours by program and folder; a number from a file alone proves nothing.
func stopOrphans(ctx context.Context, st *state, log *slog.Logger) error {
	err := stopOrphan(ctx, "Redis", st.Redis.PID, redisNames, st.Redis.Dir, log,
		stopStep{syscall.SIGTERM, 5 * time.Second})
	if err != nil {
		return err
	}
	if st.Postgres.Home == "" {
		return nil
	}
	return stopOrphanPostgres(ctx, st.Postgres.Home, log)
}

func stopOrphanPostgres(ctx context.Context, home string, log *slog.Logger) error {
	data := filepath.Join(home, clusterName)
	pidFile := filepath.Join(data, "postmaster.pid")
	pid, err := readPostmasterPID(pidFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	err = stopOrphan(ctx, "PostgreSQL", pid, postgresNames, data, log,
		stopStep{syscall.SIGINT, 10 * time.Second}, stopStep{syscall.SIGQUIT, 5 * time.Second})
	if err != nil {
		return err
	}
	// PostgreSQL itself gets over a pid file whose process is gone, and checks more than we can.
	// It gives up, though, when the number now belongs to somebody else or to a zombie, and when
	// the file was cut off (pid 0).
	if pid != 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return nil
	}
	if err := os.Remove(pidFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func stopOrphan(ctx context.Context, name string, pid int, programs []string, dir string, log *slog.Logger,
	steps ...stopStep,
) error {
	if pid == 0 {
		return nil
	}
	steps = append(steps, stopStep{syscall.SIGKILL, killWait})
	for i, step := range steps {
		if !isOurs(ctx, pid, programs, dir) {
			return nil
		}
		if i == 0 {
			log.Warn("stopping a store that a crashed run left behind", "store", name, "pid", pid)
		}
		if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop orphaned %s (process %d): %w", name, pid, err)
		}
		if err := waitGone(ctx, step.patience, func() bool { return !isOurs(ctx, pid, programs, dir) }); err != nil {
			return err
		}
	}
	if isOurs(ctx, pid, programs, dir) {
		return fmt.Errorf("an orphaned %s (process %d) survived SIGKILL", name, pid)
	}
	return nil
}

// waitGone polls until gone, the patience is over (no error: the caller looks again) or ctx is
// done. There is nothing to wait on for a process that is not our child.
func waitGone(ctx context.Context, patience time.Duration, gone func() bool) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !gone() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-tick.C:
		}
	}
	return nil
}

// readPostmasterPID returns the process id in PostgreSQL's pid file, 0 when a crash cut the file
// off, and fs.ErrNotExist when there is none.
func readPostmasterPID(path string) (int, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	if pid, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && pid > 0 {
		return pid, nil
	}
	return 0, nil
}
