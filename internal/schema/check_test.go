package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/schema"
	"evently/internal/testkit"
)

// relations counts the tables, indexes, sequences and views of the database.
func relations(t *testing.T, pool *pgxpool.Pool) int {
	t.Helper()
	return testkit.Value[int](t, pool, `
		SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace`)
}

func TestUp_OtherEncodingIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	url := testkit.EmptyDatabaseURLWith(t, "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
	err := schema.Up(t.Context(), url, testLog(t))
	if !errors.Is(err, schema.ErrWrongEncoding) || !strings.Contains(err.Error(), "SQL_ASCII") {
		t.Errorf("got %v, want ErrWrongEncoding that names SQL_ASCII", err)
	}
	if n := relations(t, testkit.Connect(t, url)); n != 0 {
		t.Errorf("%d relations were created", n)
	}
}

func TestUp_DatabaseOfAnotherServiceIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ sql, found string }{
		"table":      {`CREATE TABLE users (id int)`, "table users"},
		"view":       {`CREATE VIEW bookings AS SELECT 1 AS id`, "relation bookings"},
		"enum":       {`CREATE TYPE user_role AS ENUM ('admin')`, "type user_role"},
		"domain":     {`CREATE DOMAIN seat_status AS text`, "type seat_status"},
		"index":      {`CREATE TABLE other (id int); CREATE INDEX bookings_user_idx ON other (id)`, "index bookings_user_idx"},
		"with goose": {`CREATE TABLE goose_db_version (id int, version_id bigint, is_applied bool); INSERT INTO goose_db_version VALUES (1, 3, true); CREATE TABLE venues ()`, "table venues"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := testkit.EmptyDatabaseURL(t)
			pool := testkit.Connect(t, url)
			for statement := range strings.SplitSeq(tt.sql, ";") {
				testkit.Exec(t, pool, statement)
			}
			before := relations(t, pool)
			err := schema.Up(t.Context(), url, testLog(t))
			if !errors.Is(err, schema.ErrForeignObjects) || !strings.Contains(err.Error(), tt.found) {
				t.Errorf("got %v, want ErrForeignObjects that names the %s", err, tt.found)
			}
			if n := relations(t, pool); n != before {
				t.Errorf("%d relations, want %d as before", n, before)
			}
		})
	}
}

func TestUp_ObjectsWithOtherNamesAreNoObstacle(t *testing.T) {
	t.Parallel()
	url := testkit.EmptyDatabaseURL(t)
	pool := testkit.Connect(t, url)
	testkit.Exec(t, pool, `CREATE TABLE goose_db_version (id int, version_id bigint, is_applied bool)`)
	testkit.Exec(t, pool, `INSERT INTO goose_db_version VALUES (1, 99, true)`)
	testkit.Exec(t, pool, `CREATE TABLE customers ()`)
	check(t, schema.Up(t.Context(), url, testLog(t)))
	check(t, schema.Verify(t.Context(), pool))
}

func TestVerify_MigrationMissingInTheMiddle(t *testing.T) {
	t.Parallel()
	pool := testkit.Pool(t)
	testkit.Exec(t, pool, `DELETE FROM evently_migrations WHERE version_id = 3`)
	if err := schema.Verify(t.Context(), pool); !errors.Is(err, schema.ErrMigrationMissing) || !strings.Contains(err.Error(), "[3]") {
		t.Errorf("got %v, want ErrMigrationMissing that names 3", err)
	}
	if applied, err := schema.Applied(t.Context(), pool); err != nil || applied != 2 {
		t.Errorf("applied %d, %v, want 2", applied, err)
	}
}
