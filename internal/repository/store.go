// Package repository holds all SQL. What leaves it is a domain type or a domain error, never one of the driver.
package repository

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"evently/internal/domain"
)

// Options are the bounds of a Store.
type Options struct {
	// AcquireTimeout is how long a request may wait for a connection before it is told that the service is
	// overloaded. 0 means 1 s.
	AcquireTimeout time.Duration
	// MaxWaiting is how many requests may wait for a connection at once; one more is told that the service is
	// overloaded, without waiting. 0 means 1000.
	MaxWaiting int
	// QueryTimeout bounds one operation on the database. 0 means 5 s.
	QueryTimeout time.Duration
}

// Store is PostgreSQL as Evently uses it. It is safe for concurrent use.
type Store struct {
	pool    *pgxpool.Pool
	options Options
	waiting atomic.Int64
	// searches are those that run: each may read all shows.
	searches *semaphore.Weighted
}

const maxSearches = 3 // at once

// New returns a Store over pool, which the caller owns and closes.
func New(pool *pgxpool.Pool, options Options) *Store {
	if options.AcquireTimeout <= 0 {
		options.AcquireTimeout = time.Second
	}
	if options.MaxWaiting <= 0 {
		options.MaxWaiting = 1000
	}
	if options.QueryTimeout <= 0 {
		options.QueryTimeout = 5 * time.Second
	}
	return &Store{pool: pool, options: options, searches: semaphore.NewWeighted(maxSearches)}
}

type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Bounds of the retries after a serialization failure or a deadlock.
const (
	maxAttempts  = 4
	retryBackoff = 5 * time.Millisecond
)

// withConn runs fn on a connection for at most timeout, again after a serialization failure or a deadlock, and
// translates its errors.
func (s *Store) withConn(ctx context.Context, timeout time.Duration, fn func(context.Context, *pgxpool.Conn) error) error {
	for attempt := 1; ; attempt++ {
		err := s.once(ctx, timeout, fn)
		if err == nil || attempt == maxAttempts || !retryable(err) {
			return s.translate(ctx, err)
		}
		pause := time.Duration(attempt) * retryBackoff
		select {
		case <-time.After(pause + rand.N(pause)): //nolint:gosec // spreads retries; nothing to guess
		case <-ctx.Done():
			return s.translate(ctx, err)
		}
	}
}

func (s *Store) once(ctx context.Context, timeout time.Duration, fn func(context.Context, *pgxpool.Conn) error) error {
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()

	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	err = fn(ctx, conn)
	if hasCode(err, codeReadOnly) {
		_ = conn.Conn().Close(ctx) // the next connection may be to the new primary
	}
	return err
}

// acquire waits for a connection, for a bounded time and in a bounded queue, so that load beyond the capacity is
// refused instead of piling up.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > int64(s.options.MaxWaiting) {
		return nil, domain.ErrOverloaded
	}
	ctx, stop := context.WithTimeout(ctx, s.options.AcquireTimeout)
	defer stop()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, &acquireError{cause: err, exhausted: s.exhausted()}
	}
	return conn, nil
}

// exhausted reports whether every connection that the pool may have is in use, which tells an overload from a
// database that is not there.
func (s *Store) exhausted() bool {
	stat := s.pool.Stat()
	return stat.AcquiredConns() >= stat.MaxConns()
}

func (s *Store) Ping(ctx context.Context) error {
	_, err := s.exec(ctx, `SELECT 1`)
	return err
}
