package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/devstack"
	"evently/internal/domain"
	"evently/internal/repository"
	"evently/internal/service"
)

const (
	jwtSecret     = "the benchmark signs its access tokens with this"
	adminEmail    = "admin@bench.example"
	adminPassword = "the password of the bench"
	auditGrace    = time.Hour // the sweep is on purpose slow in some scenarios
	auditLines    = 5
)

// stack is the stores that a run measures on, durable as in production.
type stack struct {
	*devstack.Stack
	dir    string
	binary string
	tokens *service.Tokens
	serial int
	// settings are those of every service that is started, over those of the scenarios.
	settings []string
	// updates are those of the instances that have ended since play last took them.
	updates seatUpdates
}

func startStack(ctx context.Context, binary string, log *slog.Logger) (*stack, error) {
	dir, err := os.MkdirTemp("", "evently-bench-")
	if err != nil {
		return nil, err
	}
	stores, err := devstack.Start(ctx, devstack.Options{Dir: filepath.Join(dir, "stores"), Install: true, Log: log})
	if err != nil {
		return nil, err
	}
	tokens, err := service.NewTokens(service.TokensConfig{Secrets: []string{jwtSecret}, Now: time.Now})
	if err != nil {
		return nil, errors.Join(err, stores.Stop(ctx))
	}
	return &stack{Stack: stores, dir: dir, binary: binary, tokens: tokens}, nil
}

func (s *stack) stop(ctx context.Context) error {
	return errors.Join(s.Stop(ctx), os.RemoveAll(filepath.Dir(s.PostgresDataDir)), os.RemoveAll(s.dir))
}

// instance is the service on a database and a Redis of its own, so that no scenario starts with
// what another one left.
type instance struct {
	*process
	stack       *stack
	databaseURL string
	name        string
	environ     []string
	pool        *pgxpool.Pool
	// unseen keeps the statistics of the planner as they are on empty tables.
	unseen bool
}

// serve starts the service on a fresh, migrated database.
func (s *stack) serve(ctx context.Context, settings ...string) (_ *instance, err error) {
	s.serial++
	in := &instance{stack: s, name: "bench_" + strconv.Itoa(s.serial)}
	if err := s.admin(ctx, "CREATE DATABASE "+in.name); err != nil {
		return nil, err
	}
	if in.databaseURL, err = withPath(s.DatabaseURL, in.name); err != nil {
		return nil, err
	}
	redisURL, err := withPath(s.RedisURL, strconv.Itoa(s.serial))
	if err != nil {
		return nil, err
	}
	// The waiting room and the rate limits are wide open: what is measured is behind them.
	in.environ = append([]string{
		"APP_ENV=production", "JWT_SECRET=" + jwtSecret,
		"ADMIN_EMAIL=" + adminEmail, "ADMIN_PASSWORD=" + adminPassword,
		"DATABASE_URL=" + in.databaseURL, "REDIS_URL=" + redisURL,
		"PAYMENT_DELAY=0s", "PAYMENT_SUCCESS_RATE=1",
		"RATE_LIMIT_PER_MINUTE=0", "BOOKING_RATE_LIMIT_PER_MINUTE=0", "AUTH_RATE_LIMIT_PER_MINUTE=0",
		"WAITING_ROOM_MODE=passthrough",
	}, slices.Concat(settings, s.settings)...)
	if in.pool, err = pgxpool.New(ctx, in.databaseURL); err != nil {
		return nil, err
	}
	if err := in.start(ctx); err != nil {
		in.pool.Close()
		return nil, err
	}
	return in, nil
}

func (in *instance) start(ctx context.Context) (err error) {
	in.process, err = spawn(ctx, filepath.Join(in.stack.dir, in.name+".log"), "/health/ready", in.environ, in.stack.binary, "serve")
	return err
}

// end audits what the scenario left, stops the service, notes how its seats were updated and drops
// the database.
func (in *instance) end(ctx context.Context) error {
	violations, err := repository.New(in.pool, repository.Options{}).Audit(ctx, auditGrace, auditLines)
	for _, v := range violations {
		err = errors.Join(err, fmt.Errorf("audit: %s: %s", v.Check, v.Detail))
	}
	in.pool.Close()
	err = errors.Join(err, in.stop(), in.noteUpdates(ctx))
	return errors.Join(err, in.stack.admin(ctx, "DROP DATABASE "+in.name+" WITH (FORCE)"))
}

// exec runs a statement of the preparation.
func (in *instance) exec(ctx context.Context, sql string, args ...any) error {
	if _, err := in.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%.60s…: %w", sql, err)
	}
	return nil
}

// vacuum tidies what the preparation wrote to tables and tells the planner of it, which for a service
// that runs means new plans.
func (in *instance) vacuum(ctx context.Context, tables string) error {
	if in.unseen {
		return nil
	}
	return in.exec(ctx, "VACUUM (ANALYZE) "+tables)
}

func (s *stack) token(userID int64, role domain.Role) (string, error) {
	return s.tokens.Issue(domain.User{ID: userID, Email: fmt.Sprintf("user%d@bench.example", userID), Role: role})
}

func (s *stack) admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// program gives the path of a client program of PostgreSQL.
func program(ctx context.Context, name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		return "", fmt.Errorf("%s is not on PATH, and neither is pg_config", name)
	}
	return exec.LookPath(filepath.Join(string(out[:len(out)-1]), name))
}

func withPath(raw, path string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	u.Path = "/" + path
	return u.String(), nil
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}
