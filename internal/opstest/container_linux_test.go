//go:build long

package opstest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/testkit"
)

// imageUser is the user and group of the image.
const imageUser = 65532

// There may be no container engine here, so this test goes through the stages itself: it copies what COPY copies, runs the
// build, puts the binary into an empty root, and runs it there as the user of the image.
func TestImage_BuildsAndRuns(t *testing.T) {
	t.Parallel()
	stages := readDockerfile(t)
	if len(stages) != 2 {
		t.Fatalf("%d stages, want build and image", len(stages))
	}
	build, image := stages[0], stages[1]
	binary := buildStage(t, build)

	// The second stage: one file from the first.
	from, to, ok := strings.Cut(strings.TrimPrefix(image.one(t, "COPY"), "--from=build "), " ")
	if !ok || filepath.Base(from) != filepath.Base(binary) {
		t.Fatalf("the image copies %q", image.one(t, "COPY"))
	}
	c := newContainer(t, binary, to)
	before := c.files(t)
	if got := image.one(t, "USER"); got != "65532:65532" {
		t.Errorf("the image runs as %s", got)
	}
	probe, ok := strings.CutPrefix(image.one(t, "HEALTHCHECK")[strings.Index(image.one(t, "HEALTHCHECK"), "CMD"):], "CMD ")
	if !ok {
		t.Fatal("the image has no health check")
	}

	settings := []string{
		"DATABASE_URL=" + testkit.EmptyDatabaseURL(t), "REDIS_URL=" + testkit.RedisURL(t),
		"JWT_SECRET=" + rand.Text() + rand.Text(), "MIGRATE_ON_START=false",
	}
	settings = append(settings, strings.Fields(image.one(t, "ENV"))...)
	settings = append(settings, "PORT=0") // wins: any free one

	if out := c.run(t, settings, to, "version"); !strings.Contains(out, "evently 1.2.3-test (commit abc123, built 2030-01-02T03:04:05Z") {
		t.Errorf("version: %s", out)
	}
	// render.yaml runs this before a deploy.
	c.run(t, settings, to, "migrate", "up")

	server := c.command(t.Context(), settings, execForm(t, image.one(t, "CMD"))...)
	log, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	port := awaitServing(t, log)
	logged := make(chan []byte, 1)
	go func() {
		rest, _ := io.ReadAll(log)
		logged <- rest
	}()

	base := "http://127.0.0.1:" + port
	for path, want := range map[string]string{"/health/live": `"OK"`, "/health": `"1.2.3-test"`, "/health/ready": `"OK"`, "/api-docs/": "Evently API"} {
		if body := get(t, base+path); !strings.Contains(body, want) {
			t.Errorf("%s: %s", path, body)
		}
	}
	if out := c.run(t, append(settings, "PORT="+port), execForm(t, probe)...); !strings.Contains(out, "OK") {
		t.Errorf("health check: %s", out)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest := <-logged
	if err := server.Wait(); err != nil {
		t.Errorf("exit: %v: %s", err, rest)
	}
	if diff := cmp.Diff(before, c.files(t)); diff != "" {
		t.Errorf("it wrote to its root, which is read-only in production:\n%s", diff)
	}
}

// buildStage runs the first stage and returns the path of the binary.
func buildStage(t *testing.T, build stage) string {
	t.Helper()
	source, out := t.TempDir(), t.TempDir()
	patterns := dockerignore(t)
	for _, args := range build.all("COPY") {
		fields := strings.Fields(args)
		for _, name := range fields[:len(fields)-1] {
			copyContext(t, patterns, name, source)
		}
	}
	runs := build.all("RUN")
	script := runs[len(runs)-1]
	for strings.HasPrefix(script, "--mount") { // caches
		_, script, _ = strings.Cut(script, " ")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-ec", strings.ReplaceAll(script, "/out/", out+"/"))
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off",
		"TARGETOS=linux", "TARGETARCH=", "VERSION=1.2.3-test", "COMMIT=abc123", "DATE=2030-01-02T03:04:05Z")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s\n%v: %s", script, err, output)
	}
	binary := filepath.Join(out, "evently")
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if file.Section(".dynamic") != nil || file.Section(".interp") != nil {
		t.Error("the binary is not static, but the image has no libraries")
	}
	return binary
}

// container is a read-only root with the binary alone.
type container struct {
	dir  string
	attr func() *syscall.SysProcAttr
}

// newContainer creates the root. It changes root and user directly as root, or in a user namespace, or not at all if the
// machine allows neither.
func newContainer(t *testing.T, binary, to string) *container {
	t.Helper()
	dir, err := os.MkdirTemp("", "evently-root-") //nolint:usetesting // other users may not enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(dir, to)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(target, content, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = filepath.WalkDir(dir, func(name string, _ fs.DirEntry, _ error) error { return os.Chmod(name, 0o755) }) //nolint:gosec // a folder of this test alone
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		return errors.Join(err, os.Chmod(name, 0o555)) //nolint:gosec // a folder of this test alone
	}); err != nil {
		t.Fatal(err)
	}
	c := &container{dir: dir}
	ways := []struct {
		name string
		attr func() *syscall.SysProcAttr
	}{
		{"as root: another root and uid 65532", func() *syscall.SysProcAttr {
			return &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
		}},
		{"in a user namespace: another root and uid 65532 inside", func() *syscall.SysProcAttr {
			return &syscall.SysProcAttr{
				Chroot: dir, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser, NoSetGroups: true},
				Cloneflags:  syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{ContainerID: imageUser, HostID: os.Getuid(), Size: 1}},
				GidMappings: []syscall.SysProcIDMap{{ContainerID: imageUser, HostID: os.Getgid(), Size: 1}},
			}
		}},
	}
	for _, way := range ways {
		c.attr = way.attr
		out, err := c.command(t.Context(), nil, to, "version").CombinedOutput()
		if err == nil {
			t.Log("runs", way.name)
			return c
		}
		t.Logf("cannot run %s: %v %s", way.name, err, out)
	}
	t.Log("NOT CHECKED without privileges: the empty root and the uid 65532")
	c.attr = nil
	return c
}

// command returns a command that runs in the container.
func (c *container) command(ctx context.Context, env []string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append([]string{}, env...)
	if c.attr != nil {
		cmd.Path = argv[0] // a path inside the root
		cmd.Err = nil
		cmd.Dir = "/"
		cmd.SysProcAttr = c.attr()
	} else {
		cmd.Path = filepath.Join(c.dir, argv[0])
		cmd.Err = nil
		cmd.Dir = c.dir
	}
	return cmd
}

// run runs a program that must succeed, and returns its output.
func (c *container) run(t *testing.T, env []string, argv ...string) string {
	t.Helper()
	out, err := c.command(t.Context(), env, argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", argv, err, out)
	}
	return string(out)
}

// files lists the files of the root.
func (c *container) files(t *testing.T) []string {
	t.Helper()
	var list []string
	if err := filepath.WalkDir(c.dir, func(name string, entry fs.DirEntry, err error) error {
		if err == nil {
			info, infoErr := entry.Info()
			err = infoErr
			list = append(list, strings.TrimPrefix(name, c.dir)+" "+info.Mode().String())
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// awaitServing reads the log until the server listens, and returns the port.
func awaitServing(t *testing.T, log io.Reader) string {
	t.Helper()
	var seen bytes.Buffer
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		seen.WriteString(line)
		if err != nil {
			t.Fatalf("it does not serve: %v; %s", err, &seen)
		}
		var entry struct{ Msg, Address string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("log line is not JSON: %s", line)
		}
		if entry.Msg == "serving" {
			_, port, err := net.SplitHostPort(entry.Address)
			if err != nil {
				t.Fatal(err)
			}
			return port
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v: %s", url, resp.StatusCode, err, body)
	}
	return string(body)
}
