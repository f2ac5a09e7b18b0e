package opstest

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is the folder of the module.
const root = "../.."

// instruction is one line of a Dockerfile, its continuations joined.
type instruction struct {
	name, args string
}

// stage is what follows one FROM.
type stage struct {
	from         string
	instructions []instruction
}

// readDockerfile gives the stages. It knows what our Dockerfile uses, and fails on the rest.
func readDockerfile(t *testing.T) []stage {
	t.Helper()
	content := readFile(t, "Dockerfile")
	var stages []stage
	for line := range strings.SplitSeq(strings.ReplaceAll(content, "\\\n", " "), "\n") {
		line = strings.Join(strings.Fields(line), " ")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, args, _ := strings.Cut(line, " ")
		switch name {
		case "FROM":
			stages = append(stages, stage{from: args})
		case "WORKDIR", "COPY", "RUN", "ARG", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "CMD":
			last := &stages[len(stages)-1]
			last.instructions = append(last.instructions, instruction{name, args})
		default:
			t.Fatalf("the Dockerfile has %s, which this test does not know", name)
		}
	}
	return stages
}

// all gives the arguments of every instruction of that name.
func (s stage) all(name string) []string {
	var list []string
	for _, i := range s.instructions {
		if i.name == name {
			list = append(list, i.args)
		}
	}
	return list
}

// one gives the arguments of the only instruction of that name.
func (s stage) one(t *testing.T, name string) string {
	t.Helper()
	list := s.all(name)
	if len(list) != 1 {
		t.Fatalf("%d times %s, want one", len(list), name)
	}
	return list[0]
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// execForm reads the JSON list of a CMD.
func execForm(t *testing.T, args string) []string {
	t.Helper()
	var list []string
	if err := json.Unmarshal([]byte(args), &list); err != nil {
		t.Fatalf("%s is not the exec form, which needs no shell: %v", args, err)
	}
	return list
}

// ignored reports what .dockerignore keeps from the builder. The last pattern that fits decides.
func ignored(patterns []string, name string) bool {
	out := false
	for _, pattern := range patterns {
		pattern, keep := strings.CutPrefix(pattern, "!")
		if fits(pattern, name) {
			out = !keep
		}
	}
	return out
}

// fits reports whether a pattern names a file or a folder above it.
func fits(pattern, name string) bool {
	if rest, anywhere := strings.CutPrefix(pattern, "**/"); anywhere {
		for part := range strings.SplitSeq(name, "/") {
			if ok, _ := path.Match(rest, part); ok {
				return true
			}
		}
		return false
	}
	for ; name != "."; name = path.Dir(name) {
		if ok, _ := path.Match(pattern, name); ok {
			return true
		}
	}
	return false
}

func dockerignore(t *testing.T) []string {
	t.Helper()
	var patterns []string
	for line := range strings.Lines(readFile(t, ".dockerignore")) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			patterns = append(patterns, line)
		}
	}
	return patterns
}

// copyContext does what COPY does: the files below source that are not ignored go to target.
func copyContext(t *testing.T, patterns []string, source, target string) {
	t.Helper()
	copied := 0
	err := filepath.WalkDir(filepath.Join(root, source), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil || ignored(patterns, filepath.ToSlash(name)) {
			return err
		}
		copied++
		content, err := os.ReadFile(file) //nolint:gosec // our own source
		if err != nil {
			return err
		}
		to := filepath.Join(target, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
	if copied == 0 {
		t.Errorf("COPY %s copies nothing: .dockerignore keeps it away", source)
	}
}

func TestSecretsAndLocalFilesNeverReachTheBuilder(t *testing.T) {
	t.Parallel()
	patterns := dockerignore(t)
	for _, name := range []string{
		".env", ".git/config", ".devstack/postgres/PG_VERSION", "artifacts/x.png", "bin/evently", "README.md",
		"deploy/docker-compose.yml", "internal/app/harness_test.go", "internal/testkit/stores.go", "api/apitest/validate.go",
	} {
		if !ignored(patterns, name) {
			t.Errorf("%s would be sent to the builder", name)
		}
	}
	for _, name := range []string{"go.mod", "cmd/evently/main.go", "api/openapi.yaml", "migrations/embed.go", "internal/server/docs/index.html"} {
		if ignored(patterns, name) {
			t.Errorf("%s would be missing", name)
		}
	}
}

// `make build` and the image are one binary. Its tags are promises that something is not used.
func TestTheBuildTags(t *testing.T) {
	t.Parallel()
	pattern := regexp.MustCompile(`(?m)(?:^TAGS +:= |-tags )([a-z_,]+)`)
	inMake, inImage := pattern.FindStringSubmatch(readFile(t, "Makefile")), pattern.FindStringSubmatch(readFile(t, "Dockerfile"))
	if inMake == nil || inImage == nil || inMake[1] != inImage[1] {
		t.Fatalf("make builds with %q and the image with %q", inMake, inImage)
	}
	unused := map[string]string{
		"grpcnotrace":            "google.golang.org/grpc",
		"validator_novalidatefn": "validateFn",
	}
	for tag := range strings.SplitSeq(inMake[1], ",") {
		word, known := unused[tag]
		if !known {
			t.Errorf("what does the tag %s leave out?", tag)
		}
		err := filepath.WalkDir(filepath.Join(root, "internal"), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			content, err := os.ReadFile(file) //nolint:gosec // our own source
			if strings.Contains(string(content), word) {
				t.Errorf("%s uses %s, which the tag %s leaves out", file, word, tag)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
