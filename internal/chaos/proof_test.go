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

// build builds the service with the mutation in it. The file itself stays as it is.
func (m mutation) build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	original, err := filepath.Abs(filepath.Join(root, filepath.FromSlash(m.file)))
	if err != nil {
		t.Fatal(err)
	}
	changed := filepath.Join(dir, filepath.Base(m.file))
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{changed: m.mutated(t), filepath.Join(dir, "overlay.json"): string(overlay)} {
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
