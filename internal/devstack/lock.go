package devstack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

var errLocked = errors.New("locked by another process")

// fileLock is an flock: the kernel drops it when its holder dies, however it dies.
type fileLock struct{ file *os.File }

// lockFile takes the lock or returns errLocked at once.
func lockFile(path string) (*fileLock, error) {
	return openAndLock(path, os.O_RDWR|os.O_CREATE)
}

// lockExisting is lockFile for a file that must be there: fs.ErrNotExist otherwise.
func lockExisting(path string) (*fileLock, error) {
	return openAndLock(path, os.O_RDWR)
}

func openAndLock(path string, flags int) (*fileLock, error) {
	for {
		f, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			return nil, err
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errLocked
			}
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		same, err := isFileAt(f, path)
		if err != nil {
			_ = f.Close()
			return nil, err
		}
		if same {
			return &fileLock{file: f}, nil
		}
		// The holder before us removed the file between our open and our lock: what we hold is
		// a name that nobody else will find. Try again with the one that is there now.
		_ = f.Close()
	}
}

// lockFileWait takes the lock, waiting for it until ctx is done.
func lockFileWait(ctx context.Context, path string) (*fileLock, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		l, err := lockFile(path)
		if !errors.Is(err, errLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// release removes the file while the lock is still held, then lets go of it.
func (l *fileLock) release() error {
	err := os.Remove(l.file.Name())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

func isFileAt(f *os.File, path string) (bool, error) {
	held, err := f.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(held, there), nil
}
