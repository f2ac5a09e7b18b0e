package schema_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/pressly/goose/v3/lock"

	"evently/internal/schema"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testLog(t *testing.T) *slog.Logger {
	t.Helper()
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// rows puts at least one row into every table.
const rows = `
	WITH u AS (
		INSERT INTO users (email, email_key, password_hash) VALUES ('user@example.com', gen_random_uuid(), '!') RETURNING user_id
	), v AS (
		INSERT INTO venues (venue_name, name_folded, address) VALUES ('Hall', 'hall', '1 Test Street') RETURNING venue_id
	), s AS (
		INSERT INTO seats (venue_id, seat_row, seat_number) SELECT venue_id, 'A', 1 FROM v RETURNING seat_id
	), e AS (
		INSERT INTO events (title, title_folded) VALUES ('Play', 'play') RETURNING event_id
	), sh AS (
		INSERT INTO shows (event_id, venue_id, start_time, end_time, price)
		SELECT event_id, venue_id, now(), now() + interval '1 hour', 10 FROM e, v RETURNING show_id
	), b AS (
		INSERT INTO bookings (user_id, show_id, seat_count, amount, lock_token, expires_at)
		SELECT user_id, show_id, 1, 10, 'token', now() + interval '10 minutes' FROM u, sh RETURNING booking_id
	), ss AS (
		INSERT INTO show_seats (show_id, seat_id, status, booking_id, locked_at)
		SELECT show_id, seat_id, 'LOCKED', booking_id, now() FROM sh, s, b
	), bs AS (
		INSERT INTO booking_seats (booking_id, seat_id, price) SELECT booking_id, seat_id, 10 FROM b, s
	), p AS (
		INSERT INTO payments (booking_id, attempt_key, transaction_id, amount, status, paid_at)
		SELECT booking_id, gen_random_uuid()::text, gen_random_uuid()::text, 10, 'succeeded', now() FROM b
	), o AS (
		INSERT INTO waiting_room_overrides (show_id) SELECT show_id FROM sh
	), d AS (
		INSERT INTO demo_rows (demo_key, show_id) SELECT gen_random_uuid()::text, show_id FROM sh
	)
	INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, claimed_until)
	SELECT user_id, 'r', 'k', '\x00', now() FROM u`

// shape describes tables with their columns, constraints, indexes and types, one fact a line.
func shape(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	var facts []string
	check(t, pool.QueryRow(t.Context(), `
		SELECT coalesce(array_agg(fact ORDER BY fact), '{}')
		FROM (
			SELECT format('column %s.%s %s null %s default %s', table_name, column_name, data_type, is_nullable, column_default) AS fact
			FROM information_schema.columns
			WHERE table_schema = 'public'
			UNION ALL
			SELECT format('constraint %s %s', conname, pg_get_constraintdef(oid))
			FROM pg_constraint
			WHERE connamespace = 'public'::regnamespace
			UNION ALL
			SELECT 'index ' || indexdef
			FROM pg_indexes
			WHERE schemaname = 'public'
			UNION ALL
			SELECT format('type %s %s', t.typname, (SELECT array_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
			FROM pg_type t
			WHERE t.typnamespace = 'public'::regnamespace AND t.typtype = 'e'
			UNION ALL
			SELECT format('function %s', p.oid::regprocedure)
			FROM pg_proc p
			WHERE p.pronamespace = 'public'::regnamespace
			  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') -- of an extension, which stays
		) facts
		WHERE fact NOT LIKE '%evently_migrations%'`).Scan(&facts))
	return facts
}

func TestMigrations_RevertAndApplyAgainWithRows(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testkit.DatabaseURL(t)
	pool := testkit.Connect(t, url)
	want := shape(t, pool)
	versions, err := schema.Status(ctx, url)
	check(t, err)

	for steps := 1; steps <= len(versions); steps++ {
		testkit.Exec(t, pool, rows)
		for range steps {
			check(t, schema.Down(ctx, url, testLog(t)))
		}
		applied, err := schema.Applied(ctx, pool)
		check(t, err)
		var below int64
		if left := len(versions) - steps; left > 0 {
			below = versions[left-1].Version
		}
		if applied != below {
			t.Fatalf("%d steps down: version %d is applied, want %d", steps, applied, below)
		}
		if below == 0 {
			if left := shape(t, pool); len(left) > 0 {
				t.Errorf("left after the last step down: %q", left)
			}
		}
		check(t, schema.Up(ctx, url, testLog(t)))
		pool.Reset() // open connections know the types by their old ids
		if diff := cmp.Diff(want, shape(t, pool)); diff != "" {
			t.Errorf("schema after %d steps down and up again (-want +got):\n%s", steps, diff)
		}
	}
	testkit.Exec(t, pool, rows)
	check(t, schema.Verify(ctx, pool))
}

func TestReset_RevertsAllMigrations(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testkit.DatabaseURL(t)
	pool := testkit.Connect(t, url)
	testkit.Exec(t, pool, rows)
	check(t, schema.Reset(ctx, url, testLog(t)))
	if left := shape(t, pool); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if err := schema.Down(ctx, url, testLog(t)); !errors.Is(err, schema.ErrNothingApplied) {
		t.Errorf("Down on an empty schema: %v, want ErrNothingApplied", err)
	}
	check(t, schema.Reset(ctx, url, testLog(t)))
}

func TestStatus_AppliedAndPending(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testkit.EmptyDatabaseURL(t)
	pending, err := schema.Status(ctx, url)
	check(t, err)
	if len(pending) == 0 || pending[len(pending)-1].Version != schema.Expected() {
		t.Fatalf("got %+v, want the migrations up to %d", pending, schema.Expected())
	}
	check(t, schema.Up(ctx, url, testLog(t)))
	applied, err := schema.Status(ctx, url)
	check(t, err)
	for i := range pending {
		if !pending[i].AppliedAt.IsZero() || applied[i].AppliedAt.IsZero() {
			t.Errorf("%s: before %v, after %v", pending[i].Name, pending[i].AppliedAt, applied[i].AppliedAt)
		}
	}
}

// appliedLog collects the names of migrations that were logged as applied.
type appliedLog struct {
	slog.Handler
	mu    sync.Mutex
	names []string
}

func (h *appliedLog) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if r.Message == "migration applied" && a.Key == "migration" {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.names = append(h.names, a.Value.String())
		}
		return true
	})
	return nil
}

func TestUp_ConcurrentInstancesMigrateOnce(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testkit.EmptyDatabaseURL(t)
	pool := testkit.Connect(t, url)
	journal := &appliedLog{Handler: slog.NewTextHandler(t.Output(), nil)}
	const instances = 4
	errs := make(chan error, instances)

	// Stands for an instance that is migrating.
	busy, err := pool.Acquire(ctx)
	check(t, err)
	defer busy.Release()
	_, err = busy.Exec(ctx, `SELECT pg_advisory_lock($1)`, lock.DefaultLockID)
	check(t, err)
	for range instances {
		go func() { errs <- schema.Up(ctx, url, slog.New(journal)) }()
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for waiting := 0; waiting < instances; {
		select {
		case err := <-errs:
			t.Fatalf("an instance did not wait for the lock: %v", err)
		case <-tick.C:
			check(t, pool.QueryRow(ctx, `
				SELECT count(*)
				FROM pg_stat_activity
				WHERE datname = current_database() AND query LIKE '%pg_try_advisory_lock%'
					AND pid <> pg_backend_pid()`).Scan(&waiting))
		}
	}
	_, err = busy.Exec(ctx, `SELECT pg_advisory_unlock($1)`, lock.DefaultLockID)
	check(t, err)
	for range instances {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}

	var want []string
	list, err := schema.Status(ctx, url)
	check(t, err)
	for _, m := range list {
		want = append(want, m.Name)
	}
	slices.Sort(journal.names)
	if diff := cmp.Diff(want, journal.names); diff != "" {
		t.Errorf("applied by all instances (-want +got):\n%s", diff)
	}
}

func TestVerify_BehindOrAhead(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testkit.EmptyDatabaseURL(t)
	pool := testkit.Connect(t, url)
	if err := schema.Verify(ctx, pool); !errors.Is(err, schema.ErrDatabaseBehind) {
		t.Errorf("without a schema: %v, want ErrDatabaseBehind", err)
	}
	check(t, schema.Up(ctx, url, testLog(t)))
	check(t, schema.Verify(ctx, pool))

	testkit.Exec(t, pool, `INSERT INTO evently_migrations (version_id, is_applied) VALUES ($1, true)`, schema.Expected()+1)
	if err := schema.Verify(ctx, pool); !errors.Is(err, schema.ErrDatabaseAhead) {
		t.Errorf("with an unknown migration: %v, want ErrDatabaseAhead", err)
	}
	// An older binary that restarts during a rollout leaves the newer schema alone.
	check(t, schema.Up(ctx, url, testLog(t)))
	testkit.Exec(t, pool, `DELETE FROM evently_migrations WHERE version_id > $1`, schema.Expected())

	check(t, schema.Down(ctx, url, testLog(t)))
	if err := schema.Verify(ctx, pool); !errors.Is(err, schema.ErrDatabaseBehind) {
		t.Errorf("one step down: %v, want ErrDatabaseBehind", err)
	}
}

func TestVerify_UnreachableDatabase(t *testing.T) {
	t.Parallel()
	pool := testkit.Connect(t, "postgres://nobody@127.0.0.1:1/none?connect_timeout=1")
	err := schema.Verify(t.Context(), pool)
	if err == nil || errors.Is(err, schema.ErrDatabaseBehind) || errors.Is(err, schema.ErrDatabaseAhead) {
		t.Errorf("got %v", err)
	}
	if err := schema.Up(t.Context(), "postgres://nobody@127.0.0.1:1/none?connect_timeout=1", testLog(t)); err == nil {
		t.Error("Up succeeded without a database")
	}
}

// A migration that fails does not hide those that were applied before it.
func TestUp_LogsEachMigrationWhenItIsDone(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), testkit.DatabaseURL(t)
	pool := testkit.Connect(t, url)
	list, err := schema.Status(ctx, url)
	check(t, err)
	const first = 5 // the index of migration 6
	for range len(list) - first {
		check(t, schema.Down(ctx, url, testLog(t)))
	}
	testkit.Exec(t, pool, `CREATE INDEX bookings_pending_by_user_idx ON bookings (user_id)`) // makes migration 7 fail
	journal := &appliedLog{Handler: slog.NewTextHandler(t.Output(), nil)}
	if err := schema.Up(ctx, url, slog.New(journal)); err == nil {
		t.Fatal("the second migration did not fail")
	}
	if want := list[first].Name; len(journal.names) != 1 || journal.names[0] != want {
		t.Errorf("logged %q, want %q", journal.names, want)
	}
}
