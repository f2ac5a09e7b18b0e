package testkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/schema"
)

// databaseOptions make case and order of text as poor as PostgreSQL can: whatever depends on the
// locale of the database fails in tests.
const databaseOptions = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"

// DatabaseURL returns the URL of a database of this test's own, with the whole schema and no rows.
// When the test ends its sessions are ended, even if connections are open.
func DatabaseURL(t testing.TB) string {
	t.Helper()
	return lend(t).url
}

func lend(t testing.TB) *migratedDatabase {
	t.Helper()
	shared.need(t)
	if err := shared.databases.migrated(); err != nil {
		t.Fatalf("testkit: migrate the template database: %v", err)
	}
	return shared.databases.lend(t)
}

// EmptyDatabaseURL returns the URL of a new database without a schema, which is dropped when the
// test ends.
func EmptyDatabaseURL(t testing.TB) string {
	t.Helper()
	return EmptyDatabaseURLWith(t, databaseOptions)
}

// EmptyDatabaseURLWith is EmptyDatabaseURL with other options of CREATE DATABASE, such as ENCODING.
func EmptyDatabaseURLWith(t testing.TB, options string) string {
	t.Helper()
	shared.need(t)
	return shared.databases.create(t, "template0 "+options)
}

// Pool returns a pool of up to 8 connections to a migrated database of this test's own.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return lend(t).pool
}

// Connect returns a pool of up to 8 connections with the settings of the service, until the test ends.
// For the URL of DatabaseURL it is always the same one.
func Connect(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	if pool := shared.databases.lentPool(databaseURL); pool != nil {
		return pool
	}
	pool, err := openPool(databaseURL, nil)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// databases creates and drops databases on one server. Their names have a prefix of this process,
// because a server given by TEST_DATABASE_URL is shared.
type databases struct {
	serverURL, prefix string
	external          bool // the server goes on when the tests have ended
	serial            atomic.Int64

	adminOnce sync.Once
	admin     *pgxpool.Pool
	adminErr  error

	templateOnce  sync.Once
	template      string
	templateErr   error
	templateState string // of stateOfDatabase
	deleteRows    string

	mu    sync.Mutex
	spare []*migratedDatabase
	lent  map[string]*migratedDatabase // by URL
}

func (d *databases) init(serverURL string, external bool, prefix string) {
	d.serverURL, d.external, d.prefix = serverURL, external, strings.ToLower(prefix)
	d.lent = map[string]*migratedDatabase{}
}

func (d *databases) pool() (*pgxpool.Pool, error) {
	d.adminOnce.Do(func() {
		var config *pgxpool.Config
		config, d.adminErr = pgxpool.ParseConfig(d.serverURL)
		if d.adminErr != nil {
			return
		}
		config.MaxConns = 4
		d.admin, d.adminErr = pgxpool.NewWithConfig(context.Background(), config)
	})
	return d.admin, d.adminErr
}

// migrated makes the template of all migrated databases on first use.
func (d *databases) migrated() error {
	d.templateOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		d.templateErr = d.makeTemplate(ctx)
	})
	return d.templateErr
}

func (d *databases) makeTemplate(ctx context.Context) error {
	name := d.prefix + "_template"
	u, err := d.urlOf(name)
	if err != nil {
		return err
	}
	if err := d.exec(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE template0 "+databaseOptions); err != nil {
		return err
	}
	d.template = name // dropped at the end, even if the migration fails
	if err := schema.Up(ctx, u, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	return d.learn(ctx, u)
}

// create makes a database; template is what follows TEMPLATE.
func (d *databases) create(t testing.TB, template string) string {
	t.Helper()
	name, u, err := d.newName()
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), cleanupTimeout)
	defer cancel()
	if err := d.exec(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE "+template); err != nil {
		t.Fatalf("testkit: create a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := d.drop(ctx, name); err != nil {
			t.Errorf("testkit: drop the test's database: %v", err)
		}
	})
	return u
}

func (d *databases) newName() (name, url string, err error) {
	name = fmt.Sprintf("%s_%d", d.prefix, d.serial.Add(1))
	url, err = d.urlOf(name)
	return name, url, err
}

func (d *databases) drop(ctx context.Context, name string) error {
	return d.exec(ctx, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)")
}

func (d *databases) exec(ctx context.Context, sql string) error {
	pool, err := d.pool()
	if err != nil {
		return err
	}
	_, err = pool.Exec(ctx, sql)
	return err
}

// urlOf returns the server's URL with another database.
func (d *databases) urlOf(name string) (string, error) {
	u, err := url.Parse(d.serverURL)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", errors.New("TEST_DATABASE_URL must be a postgres:// URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}

func (d *databases) close(ctx context.Context) error {
	if d.admin == nil {
		return nil
	}
	defer d.admin.Close()
	var failures []error
	for db := d.takeSpare(); db != nil; db = d.takeSpare() {
		db.pool.Close()
		if d.external {
			failures = append(failures, d.drop(ctx, db.name))
		}
	}
	if d.external && d.template != "" {
		failures = append(failures, d.drop(ctx, d.template))
	}
	return errors.Join(failures...)
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
