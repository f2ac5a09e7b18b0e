package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"evently/internal/config"
	"evently/internal/server"
	"evently/internal/service"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// evently runs a command line in an empty directory with the environment NAME=value of settings.
func evently(t *testing.T, stdin string, settings []string, args ...string) (code int, out, errOut string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"APP_ENV", "DATABASE_URL", "REDIS_URL", "JWT_SECRET", "PORT", "LISTEN_ADDR"} {
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
		{[]string{"--version"}, exitOK, ""},
		{[]string{"help", "config"}, exitOK, ""},
		{[]string{"--help"}, exitOK, ""},
		{[]string{"migrate"}, exitOK, ""},
		{[]string{"bogus"}, exitUsage, "unknown command"},
		{[]string{"migrat"}, exitUsage, "Did you mean migrate?"},
		{[]string{"migrate", "stats"}, exitUsage, "Did you mean status?"},
		{[]string{"migrate", "sideways"}, exitUsage, "unknown command"},
		{[]string{"--bogus"}, exitUsage, "unknown flag"},
		{[]string{"serve", "now"}, exitUsage, "unknown command"},
		{[]string{"admin", "create"}, exitUsage, `--email is missing`},
		{[]string{"serve"}, exitFailure, "DATABASE_URL: is required\n  JWT_SECRET: is required in production\n  REDIS_URL: is required"},
		{nil, exitFailure, "DATABASE_URL: is required"},
		{nil, exitFailure, "evently dev"},
		{nil, exitFailure, "evently help config"},
		{[]string{"dev", "--env"}, exitFailure, "`evently dev` has no stores of its own"},
		{[]string{"dev", "--env", "--clean"}, exitFailure, "none of the others can be"},
		{[]string{"dev", "--clean"}, exitOK, ""},
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
	// These commands need only the database, also in production, the default.
	settings := []string{"DATABASE_URL=" + testkit.EmptyDatabaseURL(t)}
	steps := []struct {
		args  []string
		stdin string
		code  int
		want  string
	}{
		{[]string{"migrate", "status"}, "", exitOK, "pending"},
		{[]string{"demo", "load"}, "", exitFailure, "evently migrate up"},
		{[]string{"migrate", "up"}, "", exitOK, "migration applied"},
		{[]string{"migrate", "up"}, "", exitOK, "up to date: migration"},
		{[]string{"demo", "load"}, "", exitOK, "Galactic Odyssey at Grand Cinema Hall"},
		{[]string{"demo", "load"}, "", exitOK, "Added 0 venue(s)"},
		{[]string{"admin", "create", "--email", "admin@example.com"}, "admin-password\n", exitOK, "Created the admin admin@example.com"},
		{[]string{"admin", "create", "--email", "admin@example.com"}, "", exitFailure, "already has an account"},
		{[]string{"demo", "clear"}, "", exitOK, "Removed 1 user(s)"},
		{[]string{"migrate", "down"}, "", exitFailure, "DROP INDEX"},
		{[]string{"migrate", "down", "--yes"}, "", exitOK, "migration reverted"},
		{[]string{"migrate", "reset", "--yes"}, "", exitOK, "migration reverted"},
		{[]string{"migrate", "down", "--yes"}, "", exitFailure, "no migration is applied"},
	}
	for _, step := range steps {
		code, out, errOut := evently(t, step.stdin, settings, step.args...)
		if code != step.code || !strings.Contains(out+errOut, step.want) {
			t.Fatalf("%v: exit code %d, want %d with %q; %s%s", step.args, code, step.code, step.want, out, errOut)
		}
	}
}

// runDev runs `evently dev` without APP_ENV on stores of this test, until it is ready.
func runDev(t *testing.T, settings ...string) (out, errOut string) {
	t.Helper()
	settings = append(settings, "APP_ENV=", "PORT=0", "DATABASE_URL="+testkit.EmptyDatabaseURL(t), "REDIS_URL="+testkit.RedisURL(t))
	t.Chdir(t.TempDir())
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		t.Setenv(name, value)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	printed := &untilReady{cancel: cancel}
	var logged bytes.Buffer
	if code := run(ctx, []string{"dev"}, strings.NewReader(""), printed, &logged); code != exitOK {
		t.Errorf("exit code %d: %s", code, &logged)
	}
	return printed.String(), logged.String()
}

func TestDev_ServesAndStops(t *testing.T) {
	out, errOut := runDev(t)
	for _, want := range []string{"/api/v1/shows", "/api-docs/", "http://localhost:", "demo@evently.example / demo-password-123", "Ctrl-C", "Metrics  http://127.0.0.1:", "/metrics\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in %s", want, out)
		}
	}
	// On a given database dev creates no administrator.
	if strings.Contains(out, devAdminPassword) {
		t.Errorf("dev created an admin with a public password: %s", out)
	}
	if left, err := filepath.Glob("*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if !strings.Contains(errOut, "address=127.0.0.1:") || strings.Contains(errOut, "LISTEN_ADDR") {
		t.Errorf("it does not serve on loopback alone: %s", errOut)
	}
}

func TestDev_ServesOnListenAddr(t *testing.T) {
	if out, _ := runDev(t, "LISTEN_ADDR=::1"); !strings.Contains(out, "http://[::1]:") {
		t.Errorf("the address is not printed: %s", out)
	}
	out, errOut := runDev(t, "LISTEN_ADDR=0.0.0.0")
	if !strings.Contains(out, "http://localhost:") || !strings.Contains(errOut, "the passwords are public") || !alsoThere(t, out) {
		t.Errorf("%s\n%s", out, errOut)
	}
}

// alsoThere reports whether out has the address of each IPv4 interface that other devices may reach.
func alsoThere(t *testing.T, out string) bool {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		ip, _, err := net.ParseCIDR(address.String())
		if err == nil && ip.To4() != nil && !ip.IsLoopback() && !strings.Contains(out, "http://"+ip.String()+":") {
			return false
		}
	}
	return true
}

func TestDemo_PasswordIsRandomAndPrintedOnceInProduction(t *testing.T) {
	settings := []string{"DATABASE_URL=" + testkit.EmptyDatabaseURL(t)}
	evently(t, "", settings, "migrate", "up")
	load := func() string {
		code, out, errOut := evently(t, "", settings, "demo", "load")
		if code != exitOK || strings.Contains(out+errOut, service.DemoPassword) {
			t.Fatalf("exit code %d: %s%s", code, out, errOut)
		}
		_, rest, _ := strings.Cut(out, "The password of demo@evently.example is ")
		password, _, _ := strings.Cut(rest, "\n")
		return password
	}
	first, again := load(), load()
	if len(first) < 20 || again != "" {
		t.Errorf("passwords %q and then %q, want one, once", first, again)
	}
	hash := testkit.Value[string](t, testkit.Connect(t, strings.TrimPrefix(settings[0], "DATABASE_URL=")), `SELECT password_hash FROM users`)
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(first)) != nil {
		t.Error("the printed password is not the user's")
	}
	evently(t, "", settings, "demo", "clear")
	if other := load(); other == first || other == "" {
		t.Errorf("password %q after a clear, and %q before", other, first)
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
	if code != exitFailure || !strings.Contains(errOut, ":"+port) || !strings.Contains(errOut, "in use") {
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

func TestMigrate_DatabaseThatCannotBeReached(t *testing.T) {
	settings := []string{"DATABASE_URL=postgres://nobody:a-password@127.0.0.1:1/none"}
	for _, command := range []string{"status", "up", "down"} {
		code, _, errOut := evently(t, "", settings, "migrate", command)
		if code != exitFailure || !strings.Contains(errOut, "cannot be reached") || strings.Contains(errOut, "a-password") {
			t.Errorf("%s: exit code %d: %s", command, code, errOut)
		}
	}
}

func TestHelpConfig_HasEverySetting(t *testing.T) {
	_, out, _ := evently(t, "", nil, "help", "config")
	for _, v := range config.Variables(&config.Config{}) {
		if !strings.Contains(out, "\n  "+v.Name) {
			t.Errorf("%s is missing", v.Name)
		}
	}
	if !strings.Contains(out, "PORT=3000") {
		t.Error("the default of PORT is missing")
	}
}
