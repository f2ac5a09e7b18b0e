// Package devstack runs a private PostgreSQL and a private Redis for one developer
// (`evently dev`) or for one test process. Both listen on 127.0.0.1 only, on free
// ports, behind a random password, and end with the process that started them.
package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// ErrInUse is returned by Start when another live process runs a stack in the same folder.
var ErrInUse = errors.New("the folder is in use by another running stack")

const (
	lockName  = "lock"
	stateName = "state.json"

	// startTimeout bounds one whole Start, without the time that installing packages takes.
	startTimeout = 2 * time.Minute
)

// Options say what to start and where.
type Options struct {
	// Dir holds data, logs and the state file. It belongs to the stack: nothing else should live
	// in it. It is created when missing. Not needed when both URLs are set.
	Dir string
	// DatabaseURL and RedisURL, when set, are used as they are: nothing is started for that store.
	DatabaseURL, RedisURL string
	// Install allows missing programs to be installed with the system's package manager.
	Install bool
	// Ephemeral trades durability for speed (no fsync) and deletes Dir on Stop. For tests.
	Ephemeral bool
	// Log receives progress. Nil discards it.
	Log *slog.Logger

	// find looks up the programs; tests replace it.
	find func(ctx context.Context) binaries
	// outliveParent leaves out the parent death signal, so that tests get orphans on Linux too.
	outliveParent bool
}

// Stack is a running pair of stores. Stop must be called to end it.
type Stack struct {
	// DatabaseURL is a postgres:// URL of a superuser on an initially empty database.
	DatabaseURL string
	// RedisURL is a redis:// URL of database 0 out of 1024.
	RedisURL string

	// PostgresVersion is the server's version, as in "15.14"; empty when DatabaseURL was given.
	PostgresVersion string
	// PostgresDataDir is the cluster's folder; empty when DatabaseURL was given. It lies outside
	// of Options.Dir when the user who must run PostgreSQL cannot reach that one.
	PostgresDataDir string
	// RedisVersion is the server's version; empty when RedisURL was given or Redis is embedded.
	RedisVersion string
	// Secret is random and lasts as long as Dir; empty when both URLs were given.
	Secret string
	// RedisEmbedded tells that no Redis could be had and an in-process stand-in serves instead.
	RedisEmbedded bool

	opts     Options
	lock     *fileLock
	spawner  *spawner
	postgres *postgres
	redis    redisServer

	stopOnce sync.Once
	stopErr  error
}

// redisServer is a Redis, as a child process or embedded.
type redisServer interface {
	stop(ctx context.Context) error
}

// Start brings up what Options ask for and returns when both stores answer. What an earlier,
// crashed run left behind in Dir is cleaned up first.
//
// It returns ErrInUse when another process holds Dir, and an error that names the packages to
// install when PostgreSQL is missing. On an error nothing keeps running.
func Start(ctx context.Context, o Options) (*Stack, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Stack{DatabaseURL: o.DatabaseURL, RedisURL: o.RedisURL}
	if o.DatabaseURL != "" && o.RedisURL != "" {
		return s, nil
	}
	if o.Dir == "" {
		return nil, errors.New("devstack: Options.Dir is empty")
	}
	dir, err := prepareDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("devstack: %w", err)
	}
	o.Dir = dir
	s.opts = o

	s.lock, err = lockFile(filepath.Join(dir, lockName))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("devstack: %s: %w", dir, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("devstack: %w", err)
	}
	s.spawner = newSpawner()
	if err := s.start(ctx); err != nil {
		stopErr := s.Stop(context.WithoutCancel(ctx))
		return nil, errors.Join(fmt.Errorf("devstack: %w", err), stopErr)
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	o := s.opts
	st, err := loadState(filepath.Join(o.Dir, stateName))
	if err != nil {
		return err
	}
	if err := stopOrphans(ctx, st, o.Log); err != nil {
		return err
	}
	st.DatabaseURL, st.RedisURL = "", "" // until they serve
	if err := st.save(); err != nil {
		return err
	}
	bins, err := s.findPrograms(ctx)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if o.RedisURL == "" {
		if err := s.startRedis(ctx, bins, st); err != nil {
			return err
		}
	}
	if o.DatabaseURL == "" {
		if err := s.startPostgres(ctx, bins, st); err != nil {
			return err
		}
	}
	if st.Secret == "" {
		st.Secret = newPassword()
	}
	s.Secret, st.DatabaseURL, st.RedisURL = st.Secret, s.DatabaseURL, s.RedisURL
	return st.save()
}

// Stop ends Redis, then PostgreSQL with a fast shutdown, and returns when both are gone. A store
// that does not end by itself within about ten seconds, or before ctx is done, is killed. With
// Ephemeral the folder is deleted. Calling it again returns the first result.
func (s *Stack) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Stack) stop(ctx context.Context) error {
	if s.lock == nil { // nothing was started
		return nil
	}
	var errs []error
	if s.redis != nil {
		errs = append(errs, s.redis.stop(ctx))
	}
	if s.postgres != nil {
		errs = append(errs, s.postgres.stop(ctx))
	}
	s.spawner.close()
	if s.opts.Ephemeral && errors.Join(errs...) == nil {
		errs = append(errs, removeData(s.opts.Dir))
	}
	errs = append(errs, s.lock.release())
	return errors.Join(errs...)
}

// removeData deletes a stack's folder and the cluster that had to live elsewhere.
func removeData(dir string) error {
	st, err := loadState(filepath.Join(dir, stateName))
	if err != nil {
		return err
	}
	if st.Postgres.Home != "" {
		if err := os.RemoveAll(st.Postgres.Home); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}

// prepareDir creates dir and resolves it.
func prepareDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return resolve(dir)
}

// resolve returns the absolute path of dir without symbolic links, so that it can be compared with what the kernel
// reports about a process.
func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(abs)
}
