package devstack

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPostgresVersionIsReadFromTheProgram(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{
		"postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n": "15.14",
		"postgres (PostgreSQL) 18.0\n":                           "18.0",
		"postgres (PostgreSQL) 19devel\n":                        "19",
		"something else 3\n":                                     "",
	} {
		if got := parsePostgresVersion(out); got != want {
			t.Errorf("%q: got %q, want %q", out, got, want)
		}
	}
}

func TestNewerInstallationsComeFirst(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{
		"/usr/lib/postgresql/9/bin":            9,
		"/usr/lib/postgresql/15/bin":           15,
		"/usr/pgsql-17/bin":                    17,
		"/usr/libexec/postgresql16":            16,
		"/opt/homebrew/opt/postgresql@14/bin":  14,
		"/opt/homebrew/opt/postgresql/bin":     0,
		"/somewhere/that/tells/no/version/bin": 0,
	} {
		if got := versionInPath(path); got != want {
			t.Errorf("%s: got %d, want %d", path, got, want)
		}
	}
}

func TestAnOldClusterGetsItsOwnVersion(t *testing.T) {
	t.Parallel()
	b := binaries{postgres: []postgresBinaries{{dir: "/new", version: "17.2"}, {dir: "/old", version: "15.14"}}}
	if got, err := b.postgresFor(""); err != nil || got.dir != "/new" {
		t.Errorf("no cluster yet: got %+v, %v", got, err)
	}
	if got, err := b.postgresFor("15"); err != nil || got.dir != "/old" {
		t.Errorf("cluster of 15: got %+v, %v", got, err)
	}
	if _, err := b.postgresFor("13"); err == nil || !strings.Contains(err.Error(), "made by PostgreSQL 13") {
		t.Errorf("cluster of 13: got %v", err)
	}
	if _, err := (binaries{}).postgresFor("13"); !errors.Is(err, errNoPostgres) {
		t.Errorf("nothing installed: got %v", err)
	}
}

// TestProgramsOnPATHComeFirst puts stand-ins on PATH. They shadow whatever the machine has.
func TestProgramsOnPATHComeFirst(t *testing.T) {
	dir := t.TempDir()
	script(t, dir, "postgres", `echo "postgres (PostgreSQL) 14.9"`)
	script(t, dir, "initdb", `exit 0`)
	script(t, dir, "redis-server", `exit 0`)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	b := findBinaries(t.Context())
	if len(b.postgres) == 0 || b.postgres[0] != (postgresBinaries{dir: dir, version: "14.9"}) {
		t.Errorf("found PostgreSQL %+v", b.postgres)
	}
	if b.redis != filepath.Join(dir, "redis-server") {
		t.Errorf("found Redis %s", b.redis)
	}
}

func script(t *testing.T, dir, name, body string) {
	t.Helper()
	check(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700))
}
