//go:build long

package opstest

import (
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSubcommandsInTheDocumentsExist(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "evently")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/evently")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	known := map[string]bool{}
	files := documents(t)
	for _, name := range []string{"render.yaml", "deploy/systemd/evently.service", "deploy/docker-compose.yml"} {
		files[name] = "```sh\n" + strings.NewReplacer("ExecStart=", "", "ExecStartPre=", "", "preDeployCommand: ", "").Replace(readFile(t, name)) + "```"
	}
	for name, content := range files {
		for _, command := range commands(content) {
			for _, args := range after(command, "evently") {
				line := strings.Join(args, " ")
				if !strings.HasPrefix(command, "evently ") && !strings.Contains(command, "/evently ") {
					continue
				}
				if !known[line] {
					known[line] = true
					if out, err := exec.CommandContext(t.Context(), binary, append(args, "--help")...).CombinedOutput(); err != nil {
						t.Errorf("%s: `%s`: %s", name, command, out)
					}
				}
			}
		}
	}
	if len(known) < 3 {
		t.Errorf("only %v was looked at", slices.Sorted(maps.Keys(known)))
	}
}
