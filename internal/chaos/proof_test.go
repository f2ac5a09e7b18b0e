//go:build proof

package chaos_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The checker is proved: each fault that is built into the service makes it fail, and say why.
func TestTheCheckerSeesEveryMutation(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			v := chaos(t, m.build(t))
			if !slices.ContainsFunc(v.violations, func(text string) bool { return strings.Contains(text, m.says) }) {
				t.Errorf("nobody says %q, but: %q", m.says, v.violations)
			}
			said := map[string]int{}
			for _, text := range v.violations {
				if strings.Contains(text, m.says) {
					said[m.says]++
				} else {
					said["something else"]++
				}
			}
			t.Logf("said: %v", said)
			for _, text := range v.report {
				t.Log(strings.SplitN(text, "\n", 2)[0])
			}
		})
	}
}

// build builds the service with the mutation in it. The files themselves stay as they are.
func (m mutation) build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace, files := map[string]string{}, map[string]string{}
	for _, e := range m.edits {
		original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(e.file)))
		if err != nil {
			t.Fatal(err)
		}
		changed := filepath.Join(dir, filepath.Base(e.file))
		replace[original], files[changed] = changed, e.mutated(t)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	files[filepath.Join(dir, "overlay.json")] = string(overlay)
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "evently")
	if err := build(binary, "-overlay", filepath.Join(dir, "overlay.json")); err != nil {
		t.Fatal(err)
	}
	return binary
}
