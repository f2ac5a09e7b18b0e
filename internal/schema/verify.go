package schema

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"evently/migrations"
)

// undefinedTable is the SQLSTATE of a table that does not exist.
const undefinedTable = "42P01"

var (
	// ErrDatabaseBehind means that the database lacks migrations of this binary.
	ErrDatabaseBehind = errors.New("the database is older than this binary: run `evently migrate up`")
	// ErrDatabaseAhead means that a newer binary has migrated the database.
	ErrDatabaseAhead = errors.New("the database is newer than this binary: deploy the newer release, migrate down with it, or serve with ALLOW_NEWER_SCHEMA=true")
)

// Expected is the version that this binary was built for: that of its newest migration.
func Expected() int64 {
	var newest int64
	files, _ := migrations.FS.ReadDir(".") // an embedded folder can be read
	for _, f := range files {
		if version, err := goose.NumericComponent(f.Name()); err == nil {
			newest = max(newest, version)
		}
	}
	return newest
}

// Applied is the newest version applied to the database, 0 when there is none.
func Applied(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	var version int64
	err := pool.QueryRow(ctx, `
		SELECT coalesce(max(version_id), 0)
		FROM goose_db_version
		WHERE is_applied`).Scan(&version)
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == undefinedTable {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("schema: read the applied version: %w", err)
	}
	return version, nil
}

// Verify returns nil when database and binary agree, an error that wraps ErrDatabaseBehind or
// ErrDatabaseAhead and names both versions when they do not, and any other error when the
// database cannot be asked.
func Verify(ctx context.Context, pool *pgxpool.Pool) error {
	applied, err := Applied(ctx, pool)
	if err != nil {
		return err
	}
	switch expected := Expected(); {
	case applied < expected:
		return fmt.Errorf("schema: version %d is applied, %d is expected: %w", applied, expected, ErrDatabaseBehind)
	case applied > expected:
		return fmt.Errorf("schema: version %d is applied, %d is expected: %w", applied, expected, ErrDatabaseAhead)
	}
	return nil
}
