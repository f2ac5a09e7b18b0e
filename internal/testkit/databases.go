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

	"evently/internal/repository"
	"evently/internal/schema"
)

// poolConns is the size of a test's pool: enough to race, small enough for many tests at once.
const poolConns = 20

// databaseOptions make case and order of text as poor as PostgreSQL can: whatever depends on the
// locale of the database fails in tests.
const databaseOptions = "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"

// DatabaseURL returns the URL of a new database with the whole schema and no rows. The database is
// dropped when the test ends, even if connections are open.
func DatabaseURL(t testing.TB) string {
	t.Helper()
	shared.need(t)
	template, err := shared.databases.migrated()
	if err != nil {
		t.Fatalf("testkit: migrate the template database: %v", err)
	}
	return shared.databases.create(t, quote(template))
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

// Pool returns a pool of up to 20 connections to a new migrated database. Both end with the test.
func Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	return Connect(t, DatabaseURL(t))
}

// Connect returns a pool of up to 20 connections with the settings of the service. It is closed when
// the test ends.
func Connect(t testing.TB, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := repository.OpenPool(t.Context(), databaseURL, repository.PoolOptions{
		MaxConns: poolConns, QueryTimeout: time.Minute,
	})
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
	serial            atomic.Int64

	adminOnce sync.Once
	admin     *pgxpool.Pool
	adminErr  error

	templateOnce sync.Once
	template     string
	templateErr  error
}

func (d *databases) init(serverURL, prefix string) {
	d.serverURL, d.prefix = serverURL, strings.ToLower(prefix)
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

// migrated returns the name of the template of all migrated databases, which it creates on first use.
func (d *databases) migrated() (string, error) {
	d.templateOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		name := d.prefix + "_template"
		if d.templateErr = d.exec(ctx, "CREATE DATABASE "+quote(name)+" TEMPLATE template0 "+databaseOptions); d.templateErr != nil {
			return
		}
		d.template = name // dropped at the end, even if the migration fails
		var u string
		if u, d.templateErr = d.urlOf(name); d.templateErr == nil {
			d.templateErr = schema.Up(ctx, u, slog.New(slog.DiscardHandler))
		}
	})
	return d.template, d.templateErr
}

// create makes a database; template is what follows TEMPLATE.
func (d *databases) create(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("%s_%d", d.prefix, d.serial.Add(1))
	u, err := d.urlOf(name)
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
	if d.template == "" {
		return nil
	}
	return d.drop(ctx, d.template)
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
