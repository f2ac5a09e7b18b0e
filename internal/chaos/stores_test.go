package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/devstack"
)

// store is a private PostgreSQL or Redis that a test can crash, pause and restart. It keeps its address
// and password. PostgreSQL is durable: what was acknowledged has to survive a crash.
type store struct {
	name    string
	options devstack.Options
	url     func(*devstack.Stack) string
	findPID func(context.Context, *devstack.Stack) (int, error)
	crashBy syscall.Signal

	mu    sync.Mutex
	stack *devstack.Stack
	pid   int
}

// newPostgres starts a PostgreSQL that ends with the test.
func newPostgres(t *testing.T) *store {
	t.Helper()
	s := &store{
		name:    "PostgreSQL",
		options: devstack.Options{Dir: filepath.Join(t.TempDir(), "postgres"), RedisURL: "redis://unused", Install: true},
		url:     func(stack *devstack.Stack) string { return stack.DatabaseURL },
		findPID: postgresPID,
		crashBy: syscall.SIGQUIT, // an immediate shutdown: nothing more is written
	}
	s.open(t)
	// The cluster lies elsewhere if its user cannot reach the test's folder.
	if data := s.stack.PostgresDataDir; !strings.HasPrefix(data, s.options.Dir) {
		t.Cleanup(func() { _ = os.RemoveAll(filepath.Dir(data)) })
	}
	s.stopAtEnd(t)
	return s
}

// newRedis starts a Redis that ends with the test.
func newRedis(t *testing.T) *store {
	t.Helper()
	s := &store{
		name:    "Redis",
		options: devstack.Options{Dir: filepath.Join(t.TempDir(), "redis"), DatabaseURL: "postgres://unused", Install: true},
		url:     func(stack *devstack.Stack) string { return stack.RedisURL },
		findPID: redisPID,
		crashBy: syscall.SIGKILL,
	}
	s.open(t)
	s.stopAtEnd(t)
	return s
}

func (s *store) open(t *testing.T) {
	t.Helper()
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s *store) stopAtEnd(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		_ = s.resume() // one that is paused cannot stop
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := s.stack.Stop(context.Background()); err != nil {
			t.Errorf("stop %s: %v", s.name, err)
		}
	})
}

// URL returns the store's URL.
func (s *store) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url(s.stack)
}

func (s *store) start(ctx context.Context) error {
	stack, err := devstack.Start(ctx, s.options)
	if err != nil {
		return err
	}
	pid, err := s.findPID(ctx, stack)
	if err != nil {
		return errors.Join(fmt.Errorf("find the process of %s: %w", s.name, err), stack.Stop(context.WithoutCancel(ctx)))
	}
	s.stack, s.pid = stack, pid
	return nil
}

// crash kills the store: all connections break, and Redis loses its data.
func (s *store) crash(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := syscall.Kill(s.pid, s.crashBy); err != nil {
		return fmt.Errorf("crash %s: %w", s.name, err)
	}
	for deadline := time.Now().Add(5 * time.Second); syscall.Kill(s.pid, 0) == nil; pause(ctx, time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%s survived signal %d", s.name, s.crashBy)
		}
	}
	return s.stack.Stop(ctx)
}

// restart starts the store again after crash.
func (s *store) restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.url(s.stack)
	if err := s.start(ctx); err != nil {
		return err
	}
	if after := s.url(s.stack); after != before {
		return fmt.Errorf("%s has another address or password after a restart", s.name)
	}
	return nil
}

// pause stops the process until resume: connections stay open, and nothing is answered.
func (s *store) pause() error { return s.signal(syscall.SIGSTOP) }

func (s *store) resume() error { return s.signal(syscall.SIGCONT) }

func (s *store) signal(signal syscall.Signal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return syscall.Kill(s.pid, signal)
}

// postgresPID reads the process id from the first line of postmaster.pid.
func postgresPID(_ context.Context, stack *devstack.Stack) (int, error) {
	text, err := os.ReadFile(filepath.Join(stack.PostgresDataDir, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(line)
}

var processID = regexp.MustCompile(`process_id:(\d+)`)

func redisPID(ctx context.Context, stack *devstack.Stack) (int, error) {
	options, err := redis.ParseURL(stack.RedisURL)
	if err != nil {
		return 0, err
	}
	client := redis.NewClient(options)
	defer func() { _ = client.Close() }()
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return 0, err
	}
	match := processID.FindStringSubmatch(info)
	if match == nil || stack.RedisEmbedded {
		return 0, errors.New("it has no process of its own")
	}
	return strconv.Atoi(match[1])
}
