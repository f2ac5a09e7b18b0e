package opstest

import (
	"crypto/rand"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"evently/internal/schema"
	"evently/internal/testkit"
)

// The image runs deploy/postgres/init.sql with psql. Here psql runs it, for another name than that of the tests' superuser.
func TestPostgresInit_RoleOwnsItsDatabaseAlone(t *testing.T) {
	t.Parallel()
	psql, err := exec.LookPath("psql")
	if err != nil {
		t.Fatalf("psql comes with PostgreSQL: %v", err)
	}
	name, password := "init_"+strings.ToLower(rand.Text()), "it's "+rand.Text()
	superuser := testkit.EmptyDatabaseURL(t)
	admin := testkit.Connect(t, superuser)
	run := exec.CommandContext(t.Context(), psql, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", superuser)
	run.Stdin = strings.NewReader(strings.NewReplacer("ROLE evently", "ROLE "+name, "DATABASE evently", "DATABASE "+name, "OWNER evently", "OWNER "+name).
		Replace(readFile(t, "deploy/postgres/init.sql")))
	run.Env = append(os.Environ(), "EVENTLY_DB_PASSWORD="+password)
	t.Cleanup(func() {
		testkit.Exec(t, admin, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`)
		testkit.Exec(t, admin, `DROP ROLE IF EXISTS `+name)
	})
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	u, err := url.Parse(superuser)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.TrimPrefix(u.Path, "/")
	u.User, u.Path = url.UserPassword(name, password), "/"+name
	if err := schema.Up(t.Context(), u.String(), slog.New(slog.DiscardHandler)); err != nil {
		t.Fatalf("the role cannot migrate its database: %v", err)
	}
	pool := testkit.Connect(t, u.String())
	if err := schema.Verify(t.Context(), pool); err != nil {
		t.Error(err)
	}
	if n := testkit.Value[int](t, pool, `SELECT count(*) FROM pg_indexes WHERE indexname LIKE '%trgm%'`); n != 2 {
		if testkit.Value[bool](t, admin, `SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_trgm')`) {
			t.Errorf("%d trigram indexes, want 2: pg_trgm is there, and its database's owner may create it", n)
		}
	}
	if testkit.Value[bool](t, pool, `
		SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls
		FROM pg_roles
		WHERE rolname = current_user`) {
		t.Error("the role may more than own its database")
	}
	for _, forbidden := range []string{
		`CREATE ROLE more`, `CREATE DATABASE more`, `ALTER SYSTEM SET fsync = off`, `DROP DATABASE ` + pgx.Identifier{other}.Sanitize(),
		`COPY demo_rows FROM PROGRAM 'true'`,
	} {
		if _, err := pool.Exec(t.Context(), forbidden); err == nil {
			t.Errorf("the role may: %s", forbidden)
		}
	}
}
