package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"syscall"
)

// What follows breaks the stores of a running stack and mends them, for tests of those who must
// live with that. The addresses and passwords stay. Calls for one store take turns.

// errNotOurs is asked of a store that this stack has not started.
var errNotOurs = errors.New("devstack: this store is not a process of the stack")

// CrashPostgres ends PostgreSQL as a crash does: every connection breaks, nothing is written any
// more, and the next start has to recover from the log.
func (s *Stack) CrashPostgres(ctx context.Context) error {
	if s.postgres == nil {
		return errNotOurs
	}
	return s.postgres.proc.stop(ctx, stopStep{syscall.SIGQUIT, killWait})
}

// RestartPostgres starts PostgreSQL again after CrashPostgres and returns when it answers.
func (s *Stack) RestartPostgres(ctx context.Context) error {
	if s.postgres == nil {
		return errNotOurs
	}
	st, err := s.savedState()
	if err != nil {
		return err
	}
	acct, err := postgresAccount()
	if err != nil {
		return err
	}
	major, err := clusterVersion(s.PostgresDataDir)
	if err != nil {
		return err
	}
	bin, err := s.bins.postgresFor(major)
	if err != nil {
		return err
	}
	if err := s.runPostgres(ctx, bin, acct, s.PostgresDataDir, st); err != nil {
		return err
	}
	return samePort("PostgreSQL", s.DatabaseURL, st.Postgres.Port)
}

// CrashRedis kills Redis, and with it all that it held.
func (s *Stack) CrashRedis(ctx context.Context) error {
	r, err := s.redisProcess()
	if err != nil {
		return err
	}
	return r.proc.stop(ctx, stopStep{syscall.SIGKILL, killWait})
}

// RestartRedis starts Redis again, empty, after CrashRedis and returns when it answers.
func (s *Stack) RestartRedis(ctx context.Context) error {
	if _, err := s.redisProcess(); err != nil {
		return err
	}
	st, err := s.savedState()
	if err != nil {
		return err
	}
	u, err := url.Parse(s.RedisURL)
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	if st.Redis.Port, err = choosePort(ctx, st.Redis.Port); err != nil {
		return err
	}
	if err := samePort("Redis", s.RedisURL, st.Redis.Port); err != nil {
		return err
	}
	r, err := s.tryRedis(ctx, s.bins.redis, password, st)
	if err != nil {
		return err
	}
	s.redis = r
	return nil
}

// PauseRedis lets Redis stand still: connections stay, and nothing is answered until ResumeRedis.
func (s *Stack) PauseRedis() error { return s.signalRedis(syscall.SIGSTOP) }

// ResumeRedis lets Redis go on after PauseRedis.
func (s *Stack) ResumeRedis() error { return s.signalRedis(syscall.SIGCONT) }

func (s *Stack) signalRedis(signal syscall.Signal) error {
	r, err := s.redisProcess()
	if err != nil {
		return err
	}
	return r.proc.cmd.Process.Signal(signal)
}

func (s *Stack) redisProcess() (*redisProcess, error) {
	r, ok := s.redis.(*redisProcess)
	if !ok {
		return nil, errNotOurs
	}
	return r, nil
}

// savedState gives what a start needs to know of the one before.
func (s *Stack) savedState() (*state, error) { return loadState(filepath.Join(s.opts.Dir, stateName)) }

// samePort fails when a store had to take another port than the one in its URL.
func samePort(name, storeURL string, port int) error {
	u, err := url.Parse(storeURL)
	if err == nil && u.Port() != fmt.Sprint(port) {
		err = fmt.Errorf("devstack: the port of %s was taken by somebody else", name)
	}
	return err
}
