package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/config"
	"evently/internal/schema"
)

const (
	// connLifetime and its jitter let connections move to another server, some at a time.
	connLifetime       = 30 * time.Minute
	connLifetimeJitter = 5 * time.Minute
	connIdleTime       = 5 * time.Minute

	// cancelGrace is how long a statement that was cancelled may take to say so, before its
	// connection is given up.
	cancelGrace = 300 * time.Millisecond

	// minIdleInTransaction is the least time that a transaction may wait for its instance: one that is
	// only slow is not to be cut off.
	minIdleInTransaction = time.Second

	// pingAfter is how long a connection may have been idle to be used without asking whether it is
	// still good. The question is part of waiting for a connection, which is bounded more tightly
	// than a statement: a database that hangs is found out in that time.
	pingAfter = 100 * time.Millisecond

	// databaseWait is how long a start waits for its database: as long as the two usually need
	// when they start together, and short enough for a wrong address to be noticed.
	databaseWait  = 10 * time.Second
	databaseRetry = 250 * time.Millisecond
)

// OpenPostgres gives a pool on the database of cfg. It does not connect yet, and fails only on a
// URL that cannot be read.
//
// Statements are prepared and cached on each connection. A pooler in transaction mode cannot
// have that: there the URL says default_query_exec_mode=exec.
//
// The tracer hears of every statement; nil is none.
func OpenPostgres(ctx context.Context, cfg config.Database, tracer pgx.QueryTracer) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(cfg.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err) // pgx leaves the password out of it
	}
	c.ConnConfig.Tracer = tracer
	c.MaxConns = cfg.Pool()
	c.MinIdleConns = 1
	c.MaxConnLifetime = connLifetime
	c.MaxConnLifetimeJitter = connLifetimeJitter
	c.MaxConnIdleTime = connIdleTime
	c.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > pingAfter }
	c.ConnConfig.ConnectTimeout = cfg.ConnectTimeout
	c.ConnConfig.RuntimeParams["application_name"] = "evently"
	c.ConnConfig.RuntimeParams["timezone"] = "UTC"
	// A prepared statement keeps the plan for any values: planning those of a booking anew for each,
	// which the server would rather do, takes a quarter of the bookings it could serve. A pooler has
	// no prepared statements, and may refuse the setting. A plan that is kept must be good for a table
	// that has grown since it was made: reading a whole table is, of all plans, the one that is not.
	if c.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		c.ConnConfig.RuntimeParams["plan_cache_mode"] = "force_generic_plan"
		c.ConnConfig.RuntimeParams["enable_seqscan"] = "off"
		c.ConnConfig.RuntimeParams["jit"] = "off" // what such a plan is said to cost would set it off
		// An instance that stands still, or whose network has gone, in the middle of a transaction keeps
		// seats locked. It could be hours until the server's TCP gives it up.
		idle := max(cfg.QueryTimeout, minIdleInTransaction)
		c.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = strconv.FormatInt(idle.Milliseconds(), 10)
	}
	// By default pgx closes the connection of a request that is cancelled. Under load, that is
	// when clients give up, new connections would then be the last straw.
	c.ConnConfig.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: cancelGrace}
	}
	return pgxpool.NewWithConfig(ctx, c)
}

// awaitDatabase waits until the database answers. A refusal that will not change by itself, such
// as a wrong password, is an error at once; anything else is one after databaseWait.
func awaitDatabase(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	for attempt := 1; ; attempt++ {
		err := pool.Ping(ctx)
		if err == nil {
			return nil
		}
		if refused(err) {
			return fmt.Errorf("connect to the database: %w", err)
		}
		if attempt == 1 {
			log.WarnContext(ctx, "waiting for the database", "at_most", databaseWait, "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the database did not answer within %s: %w", databaseWait, err)
		case <-time.After(databaseRetry):
		}
	}
}

// refused reports the SQLSTATE classes of a wrong user or password (28) and of a database that
// does not exist (3D).
func refused(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "28") || strings.HasPrefix(pg.Code, "3D"))
}

// prepareSchema migrates if it is asked to, and refuses a database that is not that of this binary.
// One that is newer can be allowed: migrations keep to what the release before needs, so that
// one can be gone back to. That it does is known of the release before alone, hence not by default.
func prepareSchema(ctx context.Context, cfg config.Database, pool *pgxpool.Pool, log *slog.Logger) error {
	if cfg.MigrateOnStart {
		if err := schema.Up(ctx, cfg.ForMigrations(), log); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		// Connections that were there before do not know the types that are new.
		pool.Reset()
	}
	err := schema.Verify(ctx, pool)
	if cfg.NewerSchema && errors.Is(err, schema.ErrDatabaseAhead) {
		log.WarnContext(ctx, "the database is newer than this binary", "error", err.Error())
		return nil
	}
	return err
}
