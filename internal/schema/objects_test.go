package schema_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"evently/internal/schema"
	"evently/internal/testkit"
)

var update = flag.Bool("update", false, "write objects.txt")

func TestObjects_FileMatchesMigrations(t *testing.T) {
	t.Parallel()
	list, err := schema.Objects(t.Context(), testkit.Pool(t))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(list, "\n") + "\n"
	if *update {
		if err := os.WriteFile("objects.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("objects.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("objects.txt differs from the migrations; go test ./internal/schema -update writes it (-want +got):\n%s", diff)
	}
}

func TestFindMissing_DroppedObjects(t *testing.T) {
	t.Parallel()
	pool := testkit.Pool(t)
	missing, err := schema.FindMissing(t.Context(), pool)
	if diff := cmp.Diff(map[string][]string{}, missing); err != nil || diff != "" {
		t.Fatalf("on a fresh database: %v (-want +got):\n%s", err, diff)
	}
	testkit.Exec(t, pool, `DROP INDEX bookings_user_idx`)
	// A failed CREATE INDEX CONCURRENTLY leaves this.
	testkit.Exec(t, pool, `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'bookings_show_user_idx'::regclass`)
	testkit.Exec(t, pool, `ALTER TABLE shows DROP CONSTRAINT shows_venue_busy`)
	testkit.Exec(t, pool, `DROP TABLE idempotency_keys`)
	testkit.Exec(t, pool, `ALTER TYPE seat_status RENAME TO seat_state`)

	missing, err = schema.FindMissing(t.Context(), pool)
	want := map[string][]string{
		"table": {"idempotency_keys"},
		"type":  {"seat_status"},
		"index": {"bookings_show_user_idx", "bookings_user_idx", "idempotency_keys_created_at_idx", "idempotency_keys_pkey", "shows_venue_busy"},
		"constraint": {
			"idempotency_keys.idempotency_keys_claimed_or_answered",
			"idempotency_keys.idempotency_keys_key_length", "idempotency_keys.idempotency_keys_pkey",
			"idempotency_keys.idempotency_keys_response_whole", "idempotency_keys.idempotency_keys_user_fkey",
			"shows.shows_venue_busy",
		},
	}
	if diff := cmp.Diff(want, missing); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// The deletion of a row looks for the rows that refer to it: without an index it reads their whole table.
func TestSchema_ForeignKeysBeginAnIndex(t *testing.T) {
	t.Parallel()
	pool := testkit.Pool(t)
	rows, err := pool.Query(t.Context(), `
		SELECT conrelid::regclass || '.' || conname
		FROM pg_constraint c
		WHERE contype = 'f'
		  AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
		ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	without, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(without) > 0 {
		t.Errorf("without an index: %v, %v", without, err)
	}
}
