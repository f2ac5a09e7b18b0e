package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evently/internal/server"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// evently runs a command line in an empty directory with the environment NAME=value of settings.
func evently(t *testing.T, stdin string, settings []string, args ...string) (code int, out, errOut string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"APP_ENV", "DATABASE_URL", "REDIS_URL", "JWT_SECRET", "PORT"} {
		t.Setenv(name, "")
	}
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		t.Setenv(name, value)
	}
	var o, e bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

func TestRun_ExitCodes(t *testing.T) {
	tests := []struct {
		args   []string
		code   int
		errOut string
	}{
		{[]string{"version"}, exitOK, ""},
		{[]string{"--help"}, exitOK, ""},
		{[]string{"migrate"}, exitOK, ""},
		{[]string{"bogus"}, exitUsage, "unknown command"},
		{[]string{"migrate", "sideways"}, exitUsage, "unknown command"},
		{[]string{"--bogus"}, exitUsage, "unknown flag"},
		{[]string{"serve", "now"}, exitUsage, "unknown command"},
		{[]string{"admin", "create"}, exitUsage, `required flag(s) "email" not set`},
		{[]string{"serve"}, exitFailure, "DATABASE_URL: is required\n  REDIS_URL: is required"},
		{nil, exitFailure, "DATABASE_URL: is required"},
		{[]string{"migrate", "up"}, exitFailure, "DATABASE_URL: is required"},
		{[]string{"migrate", "reset"}, exitFailure, "--yes"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			code, _, errOut := evently(t, "", nil, tt.args...)
			if code != tt.code || !strings.Contains(errOut, tt.errOut) {
				t.Errorf("exit code %d, want %d; %s", code, tt.code, errOut)
			}
		})
	}
}

func TestCommands_MigrateDemoAndAdmin(t *testing.T) {
	// These commands need only the database, also in production.
	settings := []string{"APP_ENV=production", "DATABASE_URL=" + testkit.EmptyDatabaseURL(t)}
	steps := []struct {
		args  []string
		stdin string
		code  int
		want  string
	}{
		{[]string{"migrate", "status"}, "", exitOK, "pending"},
		{[]string{"demo", "load"}, "", exitFailure, "evently migrate up"},
		{[]string{"migrate", "up"}, "", exitOK, "migration applied"},
		{[]string{"migrate", "up"}, "", exitOK, ""},
		{[]string{"demo", "load"}, "", exitOK, "Galactic Odyssey at Grand Cinema Hall"},
		{[]string{"demo", "load"}, "", exitOK, "Added 0 venue(s)"},
		{[]string{"admin", "create", "--email", "admin@example.com"}, "admin-password\n", exitOK, "Created the admin admin@example.com"},
		{[]string{"admin", "create", "--email", "admin@example.com"}, "admin-password\n", exitFailure, "already has an account"},
		{[]string{"demo", "clear"}, "", exitOK, "Removed 1 user(s)"},
		{[]string{"migrate", "down"}, "", exitOK, "migration reverted"},
		{[]string{"migrate", "reset", "--yes"}, "", exitOK, "migration reverted"},
		{[]string{"migrate", "down"}, "", exitFailure, "no migration is applied"},
	}
	for _, step := range steps {
		code, out, errOut := evently(t, step.stdin, settings, step.args...)
		if code != step.code || !strings.Contains(out+errOut, step.want) {
			t.Fatalf("%v: exit code %d, want %d with %q; %s%s", step.args, code, step.code, step.want, out, errOut)
		}
	}
}

func TestDev_ServesAndStops(t *testing.T) {
	databaseURL, redisURL := testkit.EmptyDatabaseURL(t), testkit.RedisURL(t)
	t.Chdir(t.TempDir())
	for _, setting := range []string{"APP_ENV=", "PORT=0", "DATABASE_URL=" + databaseURL, "REDIS_URL=" + redisURL} {
		name, value, _ := strings.Cut(setting, "=")
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &untilReady{cancel: cancel}
	var errOut bytes.Buffer
	if code := run(ctx, []string{"dev"}, strings.NewReader(""), out, &errOut); code != exitOK {
		t.Errorf("exit code %d: %s", code, &errOut)
	}
	for _, want := range []string{"/api/v1/shows", "/api-docs/", "demo@evently.example", "Ctrl-C", "Metrics  http://127.0.0.1:", "/metrics\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	// On a given database dev creates no administrator.
	if strings.Contains(out.String(), devAdminPassword) {
		t.Errorf("dev created an admin with a public password: %s", out)
	}
	if left, err := filepath.Glob("*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// untilReady keeps the output, and stops the command at its first line.
type untilReady struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (u *untilReady) Write(p []byte) (int, error) {
	defer u.cancel()
	return u.Buffer.Write(p)
}

func TestDev_StartsNothingIfThePortIsInUse(t *testing.T) {
	taken, err := server.Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	code, _, errOut := evently(t, "", []string{"PORT=" + port}, "dev")
	if code != exitFailure || !strings.Contains(errOut, "port "+port) || !strings.Contains(errOut, "in use") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
	if _, err := os.Stat(devStackDir); !os.IsNotExist(err) {
		t.Errorf("stores were started: %v", err)
	}
}

func TestDev_RefusesProduction(t *testing.T) {
	if code, _, errOut := evently(t, "", []string{"APP_ENV=production"}, "dev"); code != exitFailure || !strings.Contains(errOut, "production") {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}
