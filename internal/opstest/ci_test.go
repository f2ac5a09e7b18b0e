package opstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// repository returns a folder with a git repository of one commit, and a function that runs git in it.
func repository(t *testing.T) (dir string, git func(args ...string) error) {
	t.Helper()
	dir = t.TempDir()
	git = func(args ...string) error {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@example.com", "GIT_COMMITTER_NAME=x", "GIT_COMMITTER_EMAIL=x@example.com")
		return cmd.Run()
	}
	for _, args := range [][]string{{"init", "-q"}, {"commit", "-q", "--allow-empty", "-m", "x"}} {
		if err := git(args...); err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
	}
	return dir, git
}

func TestGitignore_ExcludesSecrets(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Log("NOT CHECKED: there is no git")
		return
	}
	dir, git := repository(t)
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte(readFile(t, ".gitignore")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		".env": true, "deploy/.env": true, "deploy/evently.env": true, "deploy/production.env": true,
		".env.example": false, "deploy/evently.env.example": false, "deploy/docker-compose.yml": false,
	} {
		if ignored := git("check-ignore", "-q", name) == nil; ignored != want {
			t.Errorf("%s: ignored is %v, want %v", name, ignored, want)
		}
	}
}

func TestVulncheck_ReleaseIsNotMadeUnchecked(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"git", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Logf("NOT CHECKED: there is no %s", tool)
			return
		}
	}
	script, err := filepath.Abs(filepath.Join(root, ".ci", "vulncheck"))
	if err != nil {
		t.Fatal(err)
	}
	const unreachable, found, clean = `echo "fetching $2: no route to host"; exit 1`, "exit 3", "exit 0"
	tests := map[string]struct {
		govulncheck string
		tag, env    string
		ok          bool
	}{
		"unreachable, a change":       {unreachable, "", "RELEASE=", true},
		"unreachable, a release":      {unreachable, "", "RELEASE=1", false},
		"unreachable, a tag":          {unreachable, "v1.2.3", "RELEASE=", false},
		"unreachable, a tag, no more": {unreachable, "v1.2.3", "RELEASE=0", true},
		"found, a change":             {found, "", "RELEASE=", false},
		"clean, a release":            {clean, "v1.2.3", "RELEASE=1", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, git := repository(t)
			if tt.tag != "" {
				if err := git("tag", tt.tag); err != nil {
					t.Fatal(err)
				}
			}
			fake := filepath.Join(dir, "govulncheck")
			if err := os.WriteFile(fake, []byte("#!/bin/sh\n"+tt.govulncheck+"\n"), 0o700); err != nil { //nolint:gosec // it is run
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "bash", script, fake)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), tt.env)
			out, err := cmd.CombinedOutput()
			if (err == nil) != tt.ok {
				t.Errorf("%v: %s", err, out)
			}
			if tt.govulncheck == unreachable && !strings.Contains(string(out), "NOT CHECKED") {
				t.Errorf("it does not say so: %s", out)
			}
		})
	}
}
