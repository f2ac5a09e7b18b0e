package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"evently/internal/devstack"
)

const (
	// stackPrefix begins the name of the folder of a test process's own stores.
	stackPrefix = "evently-test-"
	// cleanupTimeout bounds each step of giving a store back.
	cleanupTimeout = 30 * time.Second
)

// stores are what the tests of one process share. They come to life with the first test that
// asks for one of them.
type stores struct {
	inMain atomic.Bool
	id     string // part of every name on a server that other processes use too

	once  sync.Once
	err   error
	stack *devstack.Stack

	databases databases
	redis     redisNumbers
}

var shared = &stores{id: rand.Text()[:12]}

// Main is the whole of a package's TestMain. It runs the tests, stops the stores if a test asked
// for them, fails the run when a goroutine is left that none of the options allow, and exits.
//
// The stores are a PostgreSQL and a Redis of this process alone, started (and installed, if
// missing) by devstack; TEST_DATABASE_URL and TEST_REDIS_URL name running ones to use instead.
// The former must be a postgres:// URL of a user who may create databases. On the latter every
// numbered database but 0 belongs to the tests and is emptied: give them a server of their own.
func Main(m *testing.M, allowed ...goleak.Option) {
	shared.inMain.Store(true)
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "testkit: stop the stores:", err)
		code = max(code, 1)
	}
	if code == 0 { // a failed test may well leave goroutines, which would only hide its message
		if err := goleak.Find(allowed...); err != nil {
			fmt.Fprintln(os.Stderr, "testkit:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// need starts the stores unless they run already. A test without stores fails:
// it never skips.
func (s *stores) need(t testing.TB) {
	t.Helper()
	if !s.inMain.Load() {
		t.Fatal("testkit: this package needs a TestMain that calls testkit.Main, or its stores would never be stopped")
	}
	s.once.Do(func() { s.stack, s.err = s.start() })
	if s.err != nil {
		t.Fatalf("testkit: no stores to test against: %v", s.err)
	}
}

func (s *stores) start() (*devstack.Stack, error) {
	o := devstack.Options{
		DatabaseURL: os.Getenv("TEST_DATABASE_URL"),
		RedisURL:    os.Getenv("TEST_REDIS_URL"),
		Install:     true,
		Ephemeral:   true,
		Log:         slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	// Not a test's context: the stores outlive the test that happened to be first.
	ctx := context.Background()
	if o.DatabaseURL == "" || o.RedisURL == "" {
		if err := devstack.RemoveStale(ctx, stackParent(), stackPrefix, o.Log); err != nil {
			o.Log.Warn("what crashed tests left behind stays for now", "error", err)
		}
		dir, err := os.MkdirTemp(stackParent(), stackPrefix)
		if err != nil {
			return nil, err
		}
		o.Dir = dir
	}
	stack, err := devstack.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	if stack.RedisEmbedded {
		return nil, errors.Join(
			errors.New("tests need a real Redis: install redis-server or valkey-server, or set TEST_REDIS_URL"), stack.Stop(ctx))
	}
	s.redis.init(stack.RedisURL, o.RedisURL != "", s.id)
	s.databases.init(stack.DatabaseURL, o.DatabaseURL != "", "evently_test_"+s.id)
	return stack, nil
}

// stackParent is the folder of the folders of stores: in memory where there is one, as each test makes hundreds of files.
func stackParent() string {
	const memory = "/dev/shm"
	if dir, err := os.MkdirTemp(memory, stackPrefix+"probe-"); err == nil {
		_ = os.Remove(dir)
		return memory
	}
	return os.TempDir()
}

func (s *stores) stop() error {
	if s.stack == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	return errors.Join(s.databases.close(ctx), s.redis.close(), s.stack.Stop(ctx))
}
