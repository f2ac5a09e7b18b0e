package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// listed is the output of `go list -json` for a package.
type listed struct {
	ImportPath string
	Imports    []string
	Module     struct{ Dir string }
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,Module", module+"/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}

func TestImports_FollowTheTable(t *testing.T) {
	t.Parallel()
	packages := listPackages(t)
	if len(packages) < 5 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		for _, fault := range checkImports(pkg{path: strings.TrimPrefix(p.ImportPath, module+"/"), imports: p.Imports}) {
			t.Error(fault)
		}
	}
}

func TestSources_FollowTheRules(t *testing.T) {
	t.Parallel()
	module := os.DirFS(listPackages(t)[0].Module.Dir)
	checked := 0
	// All files, not only those of this system as in go list.
	err := fs.WalkDir(module, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(module, name)
		if err != nil {
			return err
		}
		faults, err := checkSource(name, source)
		for _, fault := range faults {
			t.Error(fault)
		}
		checked++
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 10 {
		t.Errorf("found only %d files", checked)
	}
}

// A misspelled or repeated room allows and forbids nothing.
func TestTable_NamesEachRoomOnce(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for _, r := range rooms {
		if count[r.path]++; count[r.path] > 1 {
			t.Errorf("%s is in the table %d times", r.path, count[r.path])
		}
	}
	exists := func(path string) {
		if _, known := roomOf(path); !known && path != anything {
			t.Errorf("the table names %s, which is not a room", path)
		}
	}
	for _, r := range rooms {
		if r.owns == "" {
			t.Errorf("%s owns nothing", r.path)
		}
		for _, other := range slices.Concat(r.imports, r.importedBy) {
			exists(other)
		}
	}
	for _, l := range libraries {
		for _, in := range l.in {
			exists(in)
		}
	}
	for _, b := range bans {
		for _, in := range slices.Concat(b.in, b.except) {
			exists(in)
		}
	}
}

func TestImports_EachRuleCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, imports string
		want          string // part of the fault; "" if it is allowed
	}{
		{"internal/utils", "fmt", "not in the table of rooms"},
		{"internal/domain", "strings", ""},
		{"internal/domain", "evently/internal/service", "internal/domain may not import internal/service"},
		{"internal/service", "evently/internal/domain", ""},
		{"internal/service", "evently/internal/repository", "may not import internal/repository"},
		{"internal/service", "evently/internal/respond", "may not import internal/respond"},
		{"internal/service", "evently/internal/payment", "may not import internal/payment"},
		{"internal/service", "github.com/hashicorp/golang-lru/v2", ""},
		{"internal/service", "golang.org/x/sync/errgroup", ""},
		{"internal/payment", "evently/internal/domain", ""},
		{"internal/payment", "evently/internal/service", "internal/payment may not import internal/service"},
		{"internal/service", "github.com/jackc/pgx/v5/pgxpool", "may not import github.com/jackc/pgx"},
		{"internal/domain", "github.com/redis/go-redis/v9", "may not import github.com/redis/go-redis"},
		{"internal/service", "github.com/hibiken/asynq", "may not import github.com/hibiken/asynq"},
		{"internal/service", "net/http", "may not import net/http"},
		{"internal/domain", "net/http/httptest", "may not import net/http/httptest"},
		{"internal/service", "database/sql", "may not import database/sql"},
		{"internal/repository", "github.com/jackc/pgx/v5", ""},
		{"internal/repository", "evently/internal/schema", "may not import internal/schema"},
		{"internal/handler", "evently/internal/schema", "may not import internal/schema"},
		{"internal/handler", "evently/internal/repository", "may not import internal/repository"},
		{"internal/handler", "evently/internal/middleware", "may not import internal/middleware"},
		{"internal/app", "evently/internal/schema", ""},
		{"internal/app", "evently/internal/devstack", "may not be imported by internal/app"},
		{"internal/app", "evently/internal/testkit", "may not be imported by internal/app"},
		{"internal/app", "evently/migrations", "may not be imported by internal/app"},
		{"cmd/evently", "evently/internal/app", ""},
		{"cmd/evently", "evently/internal/devstack", ""},
		{"cmd/evently", "evently/internal/testkit", "may not be imported by cmd/evently"},
		{"internal/server", "evently/internal/app", "may not import internal/app"},
		{"internal/testkit", "evently/internal/devstack", ""},
		{"internal/testkit", "evently/internal/app", "may not be imported by internal/testkit"},
		{"internal/server", "evently/api/apitest", "may not import api/apitest"},
		{"cmd/evently", "evently/api/apitest", "may not be imported by cmd/evently"},
		{"internal/config", "testing", "may not import testing"},
		{"internal/testkit", "testing", ""},
		{"internal/devstack", "evently/internal/config", "may not import internal/config"},
	} {
		got := strings.Join(checkImports(pkg{path: c.from, imports: []string{c.imports}}), "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s imports %s: got %q, want %q", c.from, c.imports, got, c.want)
		}
	}
}

func TestSources_EachRuleCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, name, source, want string }{
		{"environment", "internal/handler/x.go", "package x\nimport \"os\"\nvar v = os.Getenv(\"A\")", "os.Getenv"},
		{"environment, renamed", "internal/app/x.go", "package x\nimport e \"os\"\nvar v, _ = e.LookupEnv(\"A\")", "os.LookupEnv"},
		{"environment, dot import", "internal/app/x.go", "package x\nimport . \"os\"\nvar v = Getenv(\"A\")", "dot import"},
		{"environment in config", "internal/config/x.go", "package x\nimport \"os\"\nvar v = os.Getenv(\"A\")", ""},
		{"another os", "internal/app/x.go", "package x\nimport \"evently/os\"\nvar v = os.Getenv(\"A\")", ""},
		{"clock", "internal/service/x.go", "package x\nimport \"time\"\nvar v = time.Now()", "time.Now"},
		{"clock as a value", "internal/repository/x.go", "package x\nimport \"time\"\nvar v = time.Now", "time.Now"},
		{"clock by difference", "internal/domain/x.go", "package x\nimport \"time\"\nvar v = time.Since(t)", "time.Since"},
		{"clock outside", "internal/app/x.go", "package x\nimport \"time\"\nvar v = time.Now", ""},
		{"context", "internal/handler/x.go", "package x\nimport \"context\"\nvar v = context.Background()", "context.Background"},
		{"context at the root", "internal/app/x.go", "package x\nimport \"context\"\nvar v = context.Background()", ""},
		{"init", "internal/app/x.go", "package x\nfunc init() {}", "func init"},
		{"a method called init", "internal/app/x.go", "package x\nfunc (x) init() {}", ""},
		{"long", "internal/app/x.go", "package x\n" + strings.Repeat("\n", maxLines), "lines"},
		{"just not too long", "internal/app/x.go", "package x\n" + strings.Repeat("\n", maxLines-1), ""},
		{"long main", "cmd/evently/main.go", "package x\n" + strings.Repeat("\n", 70), "lines"},
	} {
		faults, err := checkSource(c.name, []byte(c.source))
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		got := strings.Join(faults, "\n")
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.what, got, c.want)
		}
	}
}
