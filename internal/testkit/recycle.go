package testkit

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/repository"
)

// Making a database takes longer than most tests do, and so do connections: each is a process. So a
// migrated database that a test gives back is emptied and kept for the next test together with its
// pool, unless it is more than its rows that changed.

// poolConns is the size of a pool: enough to race, small enough for many tests at once.
const poolConns = 8

// migratedDatabase is a database with the schema and no rows, and a pool of connections to it.
type migratedDatabase struct {
	name, url string
	pool      *pgxpool.Pool

	mu   sync.Mutex
	pids []uint32 // of the pool's sessions, past and present
}

// lend gives a migrated database without rows, which is given back when the test ends.
func (d *databases) lend(t testing.TB) *migratedDatabase {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), cleanupTimeout)
	defer cancel()
	db := d.takeSpare()
	if db == nil {
		var err error
		if db, err = d.newMigrated(ctx); err != nil {
			t.Fatalf("testkit: create a database: %v", err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lent[db.url] = db
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := d.giveBack(ctx, db); err != nil {
			t.Errorf("testkit: give the test's database back: %v", err)
		}
	})
	return db
}

func (d *databases) newMigrated(ctx context.Context) (*migratedDatabase, error) {
	name, url, err := d.newName()
	if err != nil {
		return nil, err
	}
	if err := d.exec(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE "+quote(d.template)); err != nil {
		return nil, err
	}
	db := &migratedDatabase{name: name, url: url}
	if db.pool, err = openPool(url, db.remember); err != nil {
		return nil, errors.Join(err, d.drop(ctx, name))
	}
	return db, nil
}

// openPool opens a pool with the settings of the service. It outlives the test that asked first.
func openPool(url string, afterConnect func(context.Context, *pgx.Conn) error) (*pgxpool.Pool, error) {
	config, err := repository.PoolConfig(url, repository.PoolOptions{MaxConns: poolConns, QueryTimeout: time.Minute})
	if err != nil {
		return nil, err
	}
	config.AfterConnect = afterConnect
	return pgxpool.NewWithConfig(context.Background(), config)
}

func (db *migratedDatabase) remember(_ context.Context, conn *pgx.Conn) error {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.pids = append(db.pids, conn.PgConn().PID())
	return nil
}

// lentPool gives the pool of a database that a test has now, or nil.
func (d *databases) lentPool(url string) *pgxpool.Pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if db := d.lent[url]; db != nil {
		return db.pool
	}
	return nil
}

func (d *databases) takeSpare() *migratedDatabase {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.spare) == 0 {
		return nil
	}
	db := d.spare[len(d.spare)-1]
	d.spare = d.spare[:len(d.spare)-1]
	return db
}

// giveBack empties the database for the next test, or drops it when that would not be enough.
func (d *databases) giveBack(ctx context.Context, db *migratedDatabase) error {
	d.mu.Lock()
	delete(d.lent, db.url)
	d.mu.Unlock()
	if reusable, err := d.empty(ctx, db); !reusable {
		db.pool.Close()
		return errors.Join(err, d.drop(ctx, db.name))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.spare = append(d.spare, db)
	return nil
}

// empty deletes all rows, and reports whether the database is then as good as new.
func (d *databases) empty(ctx context.Context, db *migratedDatabase) (bool, error) {
	if db.pool.Stat().AcquiredConns() > 0 { // the test left a query behind, or a transaction
		return false, nil
	}
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return false, nil //nolint:nilerr // the test has closed the pool, or spoiled it
	}
	defer conn.Release()
	db.mu.Lock()
	pids := db.pids
	db.mu.Unlock()
	if _, err := conn.Exec(ctx, endOtherSessions, pids); err != nil {
		return false, err
	}
	var state string
	if err := conn.QueryRow(ctx, stateOfDatabase).Scan(&state); err != nil || state != d.templateState {
		return false, err
	}
	_, err = conn.Exec(ctx, d.deleteRows, pgx.QueryExecModeSimpleProtocol)
	return err == nil, err
}

// learn reads from the template what giveBack needs.
func (d *databases) learn(ctx context.Context, url string) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }() // a template must have no sessions
	return errors.Join(
		conn.QueryRow(ctx, stateOfDatabase).Scan(&d.templateState),
		conn.QueryRow(ctx, statementsToDeleteRows).Scan(&d.deleteRows))
}

// endOtherSessions ends the sessions that are not the pool's, and waits up to ten seconds for each to be gone.
const endOtherSessions = `
	SELECT pg_terminate_backend(pid, 10000)
	FROM pg_stat_activity
	WHERE datname = current_database() AND pid <> ALL ($1::bigint[])`

// stateOfDatabase is a text that another schema, other settings, statistics about the rows and
// tables that have grown large change.
const stateOfDatabase = `
	SELECT concat_ws(' ',
		(SELECT concat(count(*), '/', max(xmin::text::bigint)) FROM pg_class),
		(SELECT concat(count(*), '/', max(xmin::text::bigint)) FROM pg_attribute),
		(SELECT concat(count(*), '/', max(xmin::text::bigint)) FROM pg_constraint),
		(SELECT concat(count(*), '/', max(xmin::text::bigint)) FROM pg_trigger),
		(SELECT concat(count(*), '/', max(xmin::text::bigint)) FROM pg_proc),
		(SELECT concat(count(*), '/', max(xmin::text::bigint)) FROM pg_extension),
		(SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database()),
		(SELECT concat(count(*), '/', max(version_id), '/', max(xmin::text::bigint)) FROM evently_migrations),
		(SELECT count(*) FROM pg_statistic WHERE starelid >= 16384),
		(SELECT sum(pg_relation_size(oid)) > 1000000 FROM pg_class WHERE relkind = 'r' AND oid >= 16384))`

// statementsToDeleteRows gives the statements, a transaction, that leave every table empty and every sequence at
// its start, but for the table in which the migrations are recorded. Foreign keys are not looked at.
const statementsToDeleteRows = `
	SELECT string_agg(statement, ';')
	FROM (
		SELECT 'SET LOCAL session_replication_role = replica' AS statement
		UNION ALL
		SELECT format('DELETE FROM %I', relname)
		FROM pg_class
		WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'evently_migrations'
		UNION ALL
		SELECT format('SELECT setval(%L, 1, false)', relname)
		FROM pg_class
		WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace AND relname NOT LIKE 'evently_migrations%'
	) s`
