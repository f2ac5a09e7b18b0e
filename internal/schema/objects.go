package schema

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// expectedObjects lists what the migrations create, a line "kind name" each. A test writes it with -update.
//
//go:embed objects.txt
var expectedObjects string

// FindMissing returns the names of what the migrations create and the database lacks, by kind: table, type, index
// or constraint, which is named table.constraint. An index or a constraint that is not valid is missing, too.
func FindMissing(ctx context.Context, pool *pgxpool.Pool) (map[string][]string, error) {
	present, err := objects(ctx, pool)
	if err != nil {
		return nil, err
	}
	missing := map[string][]string{}
	for object := range strings.Lines(expectedObjects) {
		object = strings.TrimSpace(object)
		if !slices.Contains(present, object) {
			kind, name, _ := strings.Cut(object, " ")
			missing[kind] = append(missing[kind], name)
		}
	}
	return missing, nil
}

func objects(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	return names(ctx, pool, `
		WITH ours AS (
			SELECT c.oid, c.relname
			FROM pg_class c
			WHERE c.relnamespace = current_schema()::regnamespace
			  AND c.relkind IN ('r', 'p')
			  AND c.relname <> '`+versionTable+`'
		)
		SELECT 'table ' || o.relname
		FROM ours o
		UNION ALL
		SELECT 'type ' || t.typname
		FROM pg_type t
		WHERE t.typnamespace = current_schema()::regnamespace AND t.typtype = 'e'
		UNION ALL
		SELECT 'index ' || c.relname
		FROM ours o
		JOIN pg_index i ON i.indrelid = o.oid AND i.indisvalid
		JOIN pg_class c ON c.oid = i.indexrelid
		WHERE c.relname NOT LIKE '%\_trgm\_idx' -- optional
		UNION ALL
		SELECT 'constraint ' || o.relname || '.' || c.conname
		FROM ours o
		JOIN pg_constraint c ON c.conrelid = o.oid AND c.convalidated
		-- Without NOT NULL, which has rows here since PostgreSQL 18 only.
		WHERE c.contype IN ('c', 'f', 'p', 'u', 'x')
		ORDER BY 1`)
}

func names(ctx context.Context, db querier, sql string, args ...any) ([]string, error) {
	rows, _ := db.Query(ctx, sql, args...)
	list, err := pgx.CollectRows(rows, pgx.RowTo[string]) // fails with the error of Query, too
	if err != nil {
		return nil, fmt.Errorf("schema: list the objects: %w", err)
	}
	return list, nil
}
