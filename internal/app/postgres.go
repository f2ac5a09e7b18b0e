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
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (strings.HasPrefix(pg.Code, "28") || strings.HasPrefix(pg.Code, "3D"))
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
