package opstest

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
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

// readDockerfile returns the stages. It fails on instructions that our Dockerfile does not use.
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
			t.Fatalf("unknown instruction %s", name)
		}
	}
	return stages
}

// all returns the arguments of every instruction of that name.
func (s stage) all(name string) []string {
	var list []string
	for _, i := range s.instructions {
		if i.name == name {
			list = append(list, i.args)
		}
	}
	return list
}

// one returns the arguments of the only instruction of that name.
func (s stage) one(t *testing.T, name string) string {
	t.Helper()
	list := s.all(name)
	if len(list) != 1 {
		t.Fatalf("%d instructions %s, want one", len(list), name)
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

// execForm decodes the JSON list of a CMD.
func execForm(t *testing.T, args string) []string {
	t.Helper()
	var list []string
	if err := json.Unmarshal([]byte(args), &list); err != nil {
		t.Fatalf("%s is not in exec form, but the image has no shell: %v", args, err)
	}
	return list
}

// ignored reports whether .dockerignore excludes a file. The last matching pattern decides.
func ignored(patterns []string, name string) bool {
	out := false
	for _, pattern := range patterns {
		pattern, keep := strings.CutPrefix(pattern, "!")
		if matches(pattern, name) {
			out = !keep
		}
	}
	return out
}

// matches reports whether a pattern matches a file or a folder above it.
func matches(pattern, name string) bool {
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

// copyContext copies the files below source that are not ignored to target, as COPY does.
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
		t.Errorf("COPY %s copies nothing: .dockerignore excludes it", source)
	}
}

func TestDockerignore_ExcludesSecretsAndLocalFiles(t *testing.T) {
	t.Parallel()
	patterns := dockerignore(t)
	for _, name := range []string{
		".env", "deploy/.env", "deploy/evently.env", ".git/config", ".devstack/postgres/PG_VERSION", "artifacts/x.png", "bin/evently", "README.md",
		"deploy/docker-compose.yml", "internal/app/harness_test.go", "internal/testkit/stores.go", "api/apitest/validate.go", "api/typescript/package.json",
	} {
		if !ignored(patterns, name) {
			t.Errorf("%s is sent to the builder", name)
		}
	}
	for _, name := range []string{"go.mod", "cmd/evently/main.go", "api/openapi.yaml", "migrations/embed.go", "internal/server/docs.css"} {
		if ignored(patterns, name) {
			t.Errorf("%s is not sent to the builder", name)
		}
	}
}
