package devstack

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakePackageManager puts an apt-get and a sudo on PATH that only write down what they are asked,
// and returns what was asked so far. apt-get fails for the package named broken.
func fakePackageManager(t *testing.T, broken string) (asked func() []string) {
	t.Helper()
	dir := t.TempDir()
	journal := filepath.Join(dir, "journal")
	t.Setenv("TMPDIR", dir) // the installation lock is taken there
	script(t, dir, "apt-get", `echo "$DEBIAN_FRONTEND: $*" >>'`+journal+`'; case "$*" in *`+broken+`) echo no such package; exit 100;; esac`)
	script(t, dir, "sudo", `shift; exec "$@"`)
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		raw, err := os.ReadFile(journal)
		if os.IsNotExist(err) {
			return nil
		}
		check(t, err)
		return strings.Split(strings.TrimSpace(string(raw)), "\n")
	}
}

// findAfterInstall finds nothing until it was asked more than twice: once at the start, once
// more with the installation lock held.
func findAfterInstall(then binaries) func(context.Context) binaries {
	asked := 0
	return func(context.Context) binaries {
		asked++
		if asked <= 2 {
			return binaries{}
		}
		return then
	}
}

func TestMissingProgramsAreInstalledWithoutQuestions(t *testing.T) {
	asked := fakePackageManager(t, "none")
	want := binaries{postgres: []postgresBinaries{{dir: "/x", version: "15.1"}}, redis: "/x/redis-server"}
	s := &Stack{opts: Options{Install: true, Log: slog.New(slog.DiscardHandler), find: findAfterInstall(want)}}
	got, err := s.findPrograms(t.Context())
	check(t, err)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(binaries{}, postgresBinaries{})); diff != "" {
		t.Error(diff)
	}
	const install = "noninteractive: install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "
	if diff := cmp.Diff([]string{"noninteractive: update", install + "postgresql", install + "redis-server"}, asked()); diff != "" {
		t.Error(diff)
	}
}

func TestASecondNameOfAPackageIsTried(t *testing.T) {
	asked := fakePackageManager(t, "redis-server")
	s := &Stack{opts: Options{
		DatabaseURL: "postgres://given", Install: true, Log: slog.New(slog.DiscardHandler),
		find: findAfterInstall(binaries{redis: "/x/valkey-server"}),
	}}
	_, err := s.findPrograms(t.Context())
	check(t, err)
	got := asked()
	if len(got) != 3 || !strings.HasSuffix(got[1], " redis-server") || !strings.HasSuffix(got[2], " valkey-server") {
		t.Errorf("asked %q", got)
	}
}

func TestNothingIsInstalledUnasked(t *testing.T) {
	asked := fakePackageManager(t, "none")
	for name, o := range map[string]Options{
		"not allowed": {},
		"all there": {Install: true, find: func(context.Context) binaries {
			return binaries{postgres: []postgresBinaries{{dir: "/x", version: "15.1"}}, redis: "/x/redis-server"}
		}},
		"not needed": {Install: true, DatabaseURL: "postgres://given", RedisURL: "redis://given"},
	} {
		if o.find == nil {
			o.find = func(context.Context) binaries { return binaries{} }
		}
		o.Log = slog.New(slog.DiscardHandler)
		_, err := (&Stack{opts: o}).findPrograms(t.Context())
		check(t, err)
		if got := asked(); got != nil {
			t.Errorf("%s: asked %q", name, got)
		}
	}
}
