package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// ErrNotRunning is returned by Running when no stack runs in the folder.
var ErrNotRunning = errors.New("no stack runs in the folder")

// Running returns the URLs and the secret of the stack that another process runs in dir.
func Running(dir string) (*Stack, error) {
	lock, err := lockExisting(filepath.Join(dir, lockName))
	switch {
	case err == nil:
		return nil, errors.Join(fmt.Errorf("devstack: %s: %w", dir, ErrNotRunning), lock.release())
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("devstack: %s: %w", dir, ErrNotRunning)
	case !errors.Is(err, errLocked):
		return nil, fmt.Errorf("devstack: %w", err)
	}
	st, err := loadState(filepath.Join(dir, stateName))
	if err != nil {
		return nil, fmt.Errorf("devstack: %w", err)
	}
	if st.DatabaseURL == "" {
		return nil, fmt.Errorf("devstack: %s: %w: it is starting", dir, ErrNotRunning)
	}
	return &Stack{DatabaseURL: st.DatabaseURL, RedisURL: st.RedisURL, Secret: st.Secret}, nil
}

// Remove deletes the folder of a stack with its data, wherever it lies, and ends what a crashed run left running.
// It returns ErrInUse while the stack runs, and nil when there is none.
func Remove(ctx context.Context, dir string, log *slog.Logger) error {
	target, err := resolve(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = remove(ctx, target, lockFile, log)
	}
	if err == nil {
		err = os.RemoveAll(dir) // a symbolic link
	}
	if errors.Is(err, errLocked) {
		err = ErrInUse
	}
	if err != nil {
		return fmt.Errorf("devstack: %s: %w", dir, err)
	}
	return nil
}

func remove(ctx context.Context, dir string, take func(path string) (*fileLock, error), log *slog.Logger) (err error) {
	lock, err := take(filepath.Join(dir, lockName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	st, err := loadState(filepath.Join(dir, stateName))
	if err != nil {
		return err
	}
	if err := stopOrphans(ctx, st, log); err != nil {
		return err
	}
	return removeData(dir)
}
