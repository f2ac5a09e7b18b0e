package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/config"
	"evently/internal/repository"
	"evently/internal/schema"
)

const (
	// databaseWait is enough for a database that starts at the same time.
	databaseWait  = 10 * time.Second
	databaseRetry = 250 * time.Millisecond

	// protocolViolation is the SQLSTATE of PgBouncer for settings at connecting that it does not know.
	protocolViolation = "08P01"
)

// OpenPostgres opens a pool on the database of cfg. It fails only if the URL is malformed. The tracer may be nil.
func OpenPostgres(ctx context.Context, cfg config.Database, tracer pgx.QueryTracer) (*pgxpool.Pool, error) {
	pool, err := repository.OpenPool(ctx, cfg.URL.Reveal(), repository.PoolOptions{
		MaxConns:       cfg.Pool(),
		MinIdleConns:   1,
		ConnectTimeout: cfg.ConnectTimeout,
		QueryTimeout:   cfg.QueryTimeout,
		Tracer:         tracer,
	})
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	return pool, nil
}

// awaitDatabase waits for the database. A refusal that will not go away, such as a wrong password, is returned at once.
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
		if sqlState(err) == protocolViolation {
			return fmt.Errorf("connect to the database: DATABASE_URL seems to lead to a pooler: add default_query_exec_mode=exec to it: %w", err)
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

// refused reports a wrong user or password (SQLSTATE class 28) or an unknown database (3D).
func refused(err error) bool {
	code := sqlState(err)
	return strings.HasPrefix(code, "28") || strings.HasPrefix(code, "3D")
}

// sqlState returns the SQLSTATE of err, or "".
func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// releasing is how many instances have connections while two instances are replaced one after the other.
const releasing = 3

// warnOfPool warns if the pools of a small installation cannot all be filled. It says nothing of a pooler in between,
// which has limits of its own.
func warnOfPool(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) error {
	if pool.Config().ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheStatement {
		return nil
	}
	var allowed int32
	if err := pool.QueryRow(ctx, `
		SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int`).Scan(&allowed); err != nil {
		return fmt.Errorf("read max_connections: %w", err)
	}
	if size := pool.Config().MaxConns; size*releasing > allowed {
		log.WarnContext(ctx, "DATABASE_MAX_CONNS is too large for two instances and a third during a release",
			"connections", size, "server_allows", allowed)
	}
	return nil
}

// prepareSchema migrates if cfg says so, and returns an error unless the schema is that of this binary.
func prepareSchema(ctx context.Context, cfg config.Database, pool *pgxpool.Pool, log *slog.Logger) error {
	if cfg.MigrateOnStart {
		if err := schema.Up(ctx, cfg.ForMigrations(), log); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		// Open connections do not know the new types.
		pool.Reset()
	}
	err := schema.Verify(ctx, pool)
	if cfg.NewerSchema && errors.Is(err, schema.ErrDatabaseAhead) {
		log.WarnContext(ctx, "the database is newer than this binary", "error", err.Error())
		return nil
	}
	return err
}
