package devstack

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"testing"
)

func TestRunningAndRemove(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	dir := stackDir(t)
	if _, err := Running(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("without a folder: %v", err)
	}
	check(t, Remove(t.Context(), dir+"-that-is-not-there", log))

	s := start(t, Options{Dir: dir})
	got, err := Running(dir)
	check(t, err)
	if got.DatabaseURL != s.DatabaseURL || got.RedisURL != s.RedisURL || got.Secret != s.Secret || len(s.Secret) < 32 {
		t.Errorf("running: %q %q %q", got.DatabaseURL, got.RedisURL, got.Secret)
	}
	if err := Remove(t.Context(), dir, log); !errors.Is(err, ErrInUse) {
		t.Errorf("removing a stack that runs: %v", err)
	}
	check(t, s.Stop(context.Background()))
	if _, err := Running(dir); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after the stop: %v", err)
	}

	again := start(t, Options{Dir: dir})
	if again.Secret != s.Secret {
		t.Error("the secret has changed")
	}
	check(t, again.Stop(context.Background()))
	check(t, Remove(t.Context(), dir, log))
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if _, err := os.Stat(s.PostgresDataDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data is still there: %v", err)
	}
}
