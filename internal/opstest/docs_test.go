package opstest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// documents are all pages that people read, relative to the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := filepath.Rel(root, file)
			if err != nil {
				t.Fatal(err)
			}
			found[filepath.ToSlash(name)] = readFile(t, name)
		}
	}
	if len(found) < 5 {
		t.Fatalf("only %d pages", len(found))
	}
	return found
}

var (
	fence   = regexp.MustCompile("(?s)```.*?```")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	inline  = regexp.MustCompile("`([^`\n]+)`")
	shell   = regexp.MustCompile("(?s)```sh\n(.*?)```")
	script  = regexp.MustCompile("(?s)```js\n(.*?)```")
)

// anchor gives the fragment of a heading as GitHub makes it.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		}
		return -1
	}, title)
}

func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	pages := documents(t)
	for name, content := range pages {
		for _, match := range link.FindAllStringSubmatch(fence.ReplaceAllString(content, ""), -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			file, fragment, _ := strings.Cut(match[1], "#")
			target := name
			if file != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), file))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, match[1])
				continue
			}
			if fragment == "" {
				continue
			}
			titles := heading.FindAllStringSubmatch(fence.ReplaceAllString(pages[target], ""), -1)
			if !slices.ContainsFunc(titles, func(h []string) bool { return anchor(h[1]) == fragment }) {
				t.Errorf("%s links to %s, which has no such heading", name, match[1])
			}
		}
	}
}

// commands gives what a page tells people to type: blocks of shell, and code in the text.
func commands(content string) []string {
	var list []string
	for _, block := range shell.FindAllStringSubmatch(content, -1) {
		list = append(list, strings.Split(strings.ReplaceAll(block[1], "\\\n", " "), "\n")...)
	}
	for _, code := range inline.FindAllStringSubmatch(fence.ReplaceAllString(content, ""), -1) {
		list = append(list, code[1])
	}
	return list
}

// after gives the words that follow a program, up to where another command or a flag begins.
func after(command, program string) [][]string {
	var list [][]string
	for _, match := range regexp.MustCompile(`(?:^|[\s;|&/("])`+program+`((?: +[a-z][a-z-]*)+)`).FindAllStringSubmatch(command, -1) {
		list = append(list, strings.Fields(match[1]))
	}
	return list
}

func TestMakeTargetsInTheDocumentsExist(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(readFile(t, "Makefile"), -1) {
		targets[match[1]] = true
	}
	for name, content := range documents(t) {
		for _, command := range commands(content) {
			if !strings.HasPrefix(command, "make ") {
				continue
			}
			for _, target := range after(command, "make") {
				if !targets[target[0]] {
					t.Errorf("%s: `%s`: there is no target %s", name, command, target[0])
				}
			}
		}
	}
}

func TestAddressesInTheDocumentsAreInTheAPIDescription(t *testing.T) {
	t.Parallel()
	var spec struct{ Paths map[string]map[string]any }
	if err := yaml.Unmarshal([]byte(readFile(t, "api/openapi.yaml")), &spec); err != nil {
		t.Fatal(err)
	}
	var routes []*regexp.Regexp
	for path := range spec.Paths {
		pattern := regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
		routes = append(routes, regexp.MustCompile("^"+pattern+"$"))
	}
	inCurl := regexp.MustCompile(`(?:\$API|\$BASE|https?://localhost:\d+)(/[^\s"'?|;)]*)?`)
	inScript := regexp.MustCompile("(?:post|call\\(\"[A-Z]+\",|post\\()\\s*\\(?[\"`](/[^\"`]+)[\"`]")
	inText := regexp.MustCompile(`^(?:GET|POST|PUT|DELETE)? ?(/(?:api/v1|health)[^\s?]*)$`)
	checked := 0
	check := func(page, path string) {
		checked++
		path = regexp.MustCompile(`\$\{[^}]*\}|\$[A-Z]+|\{[a-z_]+\}`).ReplaceAllString(path, "1")
		if !slices.ContainsFunc(routes, func(r *regexp.Regexp) bool { return r.MatchString(path) }) {
			t.Errorf("%s: %s is not in the API description", page, path)
		}
	}
	for name, content := range documents(t) {
		for _, block := range shell.FindAllStringSubmatch(content, -1) {
			for line := range strings.Lines(block[1]) {
				if !strings.Contains(line, "curl") {
					continue
				}
				for _, match := range inCurl.FindAllStringSubmatch(line, -1) {
					if strings.Contains(match[0], "$API") {
						check(name, "/api/v1"+match[1])
					} else if match[1] != "" {
						check(name, match[1])
					}
				}
			}
		}
		for _, block := range script.FindAllStringSubmatch(content, -1) {
			for _, match := range inScript.FindAllStringSubmatch(block[1], -1) {
				check(name, "/api/v1"+match[1])
			}
		}
		for _, code := range inline.FindAllStringSubmatch(fence.ReplaceAllString(content, ""), -1) {
			if match := inText.FindStringSubmatch(code[1]); match != nil && strings.HasPrefix(name, "docs/operations") {
				check(name, match[1])
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d addresses were found", checked)
	}
}

func TestSettingsInTheDocumentsExist(t *testing.T) {
	t.Parallel()
	known := knownVariables()
	setting := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`)
	for _, name := range []string{"docs/operations.md", "docs/deploy-render.md", "docs/api-guide.md"} {
		for _, code := range inline.FindAllStringSubmatch(fence.ReplaceAllString(readFile(t, name), ""), -1) {
			if word, _, _ := strings.Cut(code[1], "="); setting.MatchString(word) && !known[word] {
				t.Errorf("%s: %s is no setting", name, word)
			}
		}
	}
}

// A page that promises something names the test that holds it: that one has to be there.
func TestTestsInTheDocumentsExist(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	tree := os.DirFS(root)
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := fs.ReadFile(tree, path)
		for _, match := range declared.FindAllSubmatch(text, -1) {
			there[string(match[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	name := regexp.MustCompile(`^(?:Test|Fuzz)[A-Z]\w+$`)
	for page, content := range documents(t) {
		for _, code := range inline.FindAllStringSubmatch(fence.ReplaceAllString(content, ""), -1) {
			if !name.MatchString(code[1]) {
				continue
			}
			if named++; !there[code[1]] {
				t.Errorf("%s: there is no test %s", page, code[1])
			}
		}
	}
	if named < 50 {
		t.Errorf("only %d tests are named", named)
	}
}

func TestRunbook_KnowsEveryCheckOfTheAudit(t *testing.T) {
	t.Parallel()
	source := readFile(t, "internal/repository/audit.go") + readFile(t, "internal/service/audit.go")
	checks := regexp.MustCompile(`(?:\{name: |const checkSeatLocks = )"(\w+)"`).FindAllStringSubmatch(source, -1)
	if len(checks) < 15 {
		t.Fatalf("only %d checks were found", len(checks))
	}
	_, section, _ := strings.Cut(readFile(t, "docs/operations.md"), "\n## The audit\n")
	for _, check := range checks {
		if !strings.Contains(section, "`"+check[1]+"`") {
			t.Errorf("the runbook does not say what to do about %s", check[1])
		}
	}
}
