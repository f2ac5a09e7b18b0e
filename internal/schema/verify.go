package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3"

	"evently/migrations"
)

const undefinedTable = "42P01" // SQLSTATE

// The ways in which a database differs from this binary.
var (
	ErrDatabaseBehind   = errors.New("the database is older than this binary: run `evently migrate up`")
	ErrDatabaseAhead    = errors.New("the database is newer than this binary: deploy the newer release, migrate down with it, or serve with ALLOW_NEWER_SCHEMA=true")
	ErrMigrationMissing = errors.New("the database lacks a migration below its newest: `evently migrate status` lists them; restore the database, or start with an empty one")
)

// Expected returns the version of the newest migration of this binary.
func Expected() int64 { return slices.Max(versions()) }

// versions returns the versions of this binary, ascending.
func versions() []int64 {
	var list []int64
	files, _ := migrations.FS.ReadDir(".") // reading an embedded directory does not fail
	for _, f := range files {
		if version, err := goose.NumericComponent(f.Name()); err == nil {
			list = append(list, version)
		}
	}
	slices.Sort(list)
	return list
}

// Applied returns the newest version that is applied together with all before it, 0 if there is none.
func Applied(ctx context.Context, pool *pgxpool.Pool) (int64, error) {
	applied, err := appliedVersions(ctx, pool)
	if err != nil {
		return 0, err
	}
	newest := int64(0)
	for _, version := range versions() {
		if !slices.Contains(applied, version) {
			return newest, nil
		}
		newest = version
	}
	return slices.Max(applied), nil
}

// Verify compares the applied migrations with those of this binary. It returns an error that wraps
// ErrDatabaseBehind, ErrDatabaseAhead or ErrMigrationMissing if they differ.
func Verify(ctx context.Context, pool *pgxpool.Pool) error {
	applied, err := appliedVersions(ctx, pool)
	if err != nil {
		return err
	}
	expected := versions()
	missing := without(expected, applied)
	unknown := without(applied, expected)
	switch {
	case len(missing) > 0 && len(applied) > 0 && slices.Max(applied) > missing[0]:
		return fmt.Errorf("schema: migrations %v are not applied: %w", missing, ErrMigrationMissing)
	case len(missing) > 0:
		return fmt.Errorf("schema: migrations %v are not applied: %w", missing, ErrDatabaseBehind)
	case len(unknown) > 0:
		return fmt.Errorf("schema: migrations %v are applied and unknown: %w", unknown, ErrDatabaseAhead)
	}
	return nil
}

func appliedVersions(ctx context.Context, db querier) ([]int64, error) {
	rows, _ := db.Query(ctx, `
		SELECT DISTINCT version_id
		FROM `+versionTable+`
		WHERE is_applied AND version_id > 0
		ORDER BY version_id`)
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64]) // fails with the error of Query, too
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) && pgErr.Code == undefinedTable {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("schema: read the applied versions: %w", err)
	}
	return list, nil
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func without(list, other []int64) []int64 {
	return slices.DeleteFunc(slices.Clone(list), func(v int64) bool { return slices.Contains(other, v) })
}
