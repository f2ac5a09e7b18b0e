//go:build proof

package chaos_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestChecker_FindsEveryMutation builds each mutation into the service and runs it under chaos.
func TestChecker_FindsEveryMutation(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			v := chaos(t, m.build(t))
			found, others := 0, []string{}
			for _, text := range v.violations {
				if strings.Contains(text, m.finding) {
					found++
				} else {
					others = append(others, text)
				}
			}
			if found == 0 {
				t.Errorf("no violation says %q", m.finding)
			}
			t.Logf("%d violations say %q, %d others: %.600q", found, m.finding, len(others), others)
			for _, text := range v.report {
				line, _, _ := strings.Cut(text, "\n")
				t.Log(line)
			}
		})
	}
}

// build builds the service with the mutation. The files themselves do not change.
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
	overlayPath := filepath.Join(dir, "overlay.json")
	for path, text := range map[string]string{changed: m.mutated(t), overlayPath: string(overlay)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "evently")
	if err := build(binary, "-overlay", overlayPath); err != nil {
		t.Fatal(err)
	}
	return binary
}
