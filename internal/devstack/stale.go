package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// staleAge is how long a folder must have been left alone before it may count as abandoned: the
// lock tells nothing about one that was just made and is about to be locked.
const staleAge = time.Minute

// RemoveStale deletes what crashed runs of ephemeral stacks left in parent, in folders of our own
// whose names begin with prefix: orphaned processes first, then the data. A folder whose stack
// lives is not touched, its lock tells, nor is one that changed within the last minute. One
// folder's failure does not keep the others.
func RemoveStale(ctx context.Context, parent, prefix string, log *slog.Logger) error {
	dirs, err := filepath.Glob(filepath.Join(parent, prefix+"*"))
	if err != nil {
		return fmt.Errorf("devstack: %w", err)
	}
	var errs []error
	for _, dir := range dirs {
		if err := removeStale(ctx, dir, log); err != nil {
			errs = append(errs, fmt.Errorf("devstack: remove stale %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

func removeStale(ctx context.Context, dir string, log *slog.Logger) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its owner was faster
	}
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() || time.Since(info.ModTime()) < staleAge {
		return nil
	}
	err = remove(ctx, dir, lockExisting, log)
	switch {
	case errors.Is(err, errLocked):
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return removeData(dir) // its owner died before it could start anything
	case err != nil:
		return err
	}
	log.Info("removed what a crashed run left behind", "dir", dir)
	return nil
}
