package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
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
	adminEmail = "admin@bench.example"
	auditGrace = time.Hour // some scenarios leave expired holds to the next cleanup
	auditLines = 5
)

// productionSettings turn nothing off. The limits are those of a service with more users than one machine
// has clients: each is checked and none is reached.
var productionSettings = []string{
	"APP_ENV=production",
	"RATE_LIMIT_PER_MINUTE=1000000", "BOOKING_RATE_LIMIT_PER_MINUTE=1000000", "AUTH_RATE_LIMIT_PER_MINUTE=1000000",
	"MAX_CONCURRENT_USERS=20000", "PAYMENT_SIMULATED_OUTCOMES=true",
	"METRICS_ADDR=127.0.0.1:0",
}

// stack is PostgreSQL and Redis, as durable as in production, and the program to measure on them.
type stack struct {
	*devstack.Stack
	dir     string
	binary  string
	further []string // settings
	tokens  *service.Tokens
	serial  int

	jwtSecret, adminPassword string      // random: production refuses what stands in a file
	updates                  seatUpdates // of the instances that ended
}

func startStack(ctx context.Context, binary string, further []string, log *slog.Logger) (*stack, error) {
	dir, err := os.MkdirTemp("", "evently-bench-")
	if err != nil {
		return nil, err
	}
	stores, err := devstack.Start(ctx, devstack.Options{Dir: filepath.Join(dir, "stores"), Install: true, Log: log})
	if err != nil {
		return nil, err
	}
	s := &stack{
		Stack: stores, dir: dir, binary: binary, further: further,
		jwtSecret: rand.Text() + rand.Text(), adminPassword: rand.Text(),
	}
	s.tokens, err = service.NewTokens(service.TokensConfig{Secrets: []string{s.jwtSecret}, Now: time.Now})
	if err != nil {
		return nil, errors.Join(err, stores.Stop(ctx))
	}
	return s, nil
}

func (s *stack) stop(ctx context.Context) error {
	return errors.Join(s.Stop(ctx), os.RemoveAll(filepath.Dir(s.PostgresDataDir)), os.RemoveAll(s.dir))
}

// settings returns the settings of every instance, without addresses and secrets.
func (s *stack) settings() []string { return slices.Concat(productionSettings, s.further) }

// instance is the service on a database and a Redis database of its own.
type instance struct {
	*process
	stack       *stack
	databaseURL string
	name        string
	environ     []string
	pool        *pgxpool.Pool
	yardsticks  []*process
	unanalyzed  bool // vacuum does nothing
}

// serve starts the service on a new database.
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
	in.environ = slices.Concat([]string{
		"JWT_SECRET=" + s.jwtSecret, "ADMIN_EMAIL=" + adminEmail, "ADMIN_PASSWORD=" + s.adminPassword,
		"DATABASE_URL=" + in.databaseURL, "REDIS_URL=" + redisURL,
	}, productionSettings, settings, s.further)
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
	in.process, err = spawn(ctx, in.file("log"), "/health/ready", in.environ, in.stack.binary, "serve")
	return err
}

// end audits the database, stops the service and drops the database.
func (in *instance) end(ctx context.Context) (err error) {
	for _, p := range in.yardsticks {
		err = errors.Join(err, p.stop())
	}
	violations, auditErr := repository.New(in.pool, repository.Options{}).Audit(ctx, auditGrace, auditLines, func(string) {})
	err = errors.Join(err, auditErr)
	for _, v := range violations {
		err = errors.Join(err, fmt.Errorf("audit: %s: %s", v.Check, v.Detail))
	}
	in.pool.Close()
	err = errors.Join(err, in.stop(), in.countUpdates(ctx))
	return errors.Join(err, in.stack.admin(ctx, "DROP DATABASE "+in.name+" WITH (FORCE)"))
}

// exec runs a statement of the preparation.
func (in *instance) exec(ctx context.Context, sql string, args ...any) error {
	if _, err := in.pool.Exec(ctx, sql, args...); err != nil {
		return fmt.Errorf("%.60s…: %w", sql, err)
	}
	return nil
}

// vacuum vacuums and analyzes tables after the preparation. Running services plan anew after it.
func (in *instance) vacuum(ctx context.Context, tables string) error {
	if in.unanalyzed {
		return nil
	}
	return in.exec(ctx, "VACUUM (ANALYZE) "+tables)
}

func (s *stack) token(userID int64, role domain.Role) (string, error) {
	return s.tokens.Issue(domain.User{ID: userID, Email: fmt.Sprintf("user%d@bench.example", userID), Role: role})
}

// admin runs a statement on the server's own database.
func (s *stack) admin(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, s.DatabaseURL)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(ctx))
}

// withPath returns a URL with another database.
func withPath(raw, path string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", err
	}
	u.Path = "/" + path
	return u.String(), nil
}
