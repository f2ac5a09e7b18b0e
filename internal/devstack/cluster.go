package devstack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// clusterName is the cluster's folder within its home.
	clusterName = "data"
	// fallbackRoot is where the cluster goes when its user cannot reach the stack's folder. It
	// survives a reboot, which /tmp does not.
	fallbackRoot = "/var/tmp"
)

// newPostgresHome returns an empty folder for the cluster that belongs to the account: inside
// dir, or in /var/tmp when the account cannot get there (root's home, for one). A cluster that is
// already in it is what remains of a stack whose folder was deleted to start afresh, and whose
// password is gone with it: it is removed.
func newPostgresHome(ctx context.Context, dir string, acct *account, log *slog.Logger) (string, error) {
	if acct != nil {
		// The other user must pass through; it cannot list, and what it may not read is 0600.
		if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // execute only
			return "", err
		}
	}
	home := filepath.Join(dir, "postgres")
	if !acct.canReach(ctx, dir) {
		sum := sha256.Sum256([]byte(dir))
		home = filepath.Join(fallbackRoot, "evently-"+hex.EncodeToString(sum[:8]))
		log.Info("PostgreSQL's user cannot reach the folder, so the cluster goes elsewhere", "user", acct.name, "dir", home)
	}
	err := os.Mkdir(home, 0o700)
	if errors.Is(err, fs.ErrExist) {
		if acct != nil && !acct.owns(home) && !ownedByRoot(home) {
			return "", fmt.Errorf("%s belongs to somebody else", home)
		}
		if err := stopOrphanPostgres(ctx, home, log); err != nil {
			return "", err
		}
		if err := os.RemoveAll(home); err != nil {
			return "", err
		}
		err = os.Mkdir(home, 0o700)
	}
	if err != nil {
		return "", err
	}
	return home, acct.chown(home)
}

func ownedByRoot(path string) bool {
	root := &account{}
	return root.owns(path)
}

// clusterVersion returns the major version that made the cluster, "" when there is none.
func clusterVersion(data string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(raw)), err
}

// createCluster runs initdb. It works in a folder of another name until all is well, so that a
// crash in between leaves no half of a cluster under the real name.
func createCluster(ctx context.Context, bin postgresBinaries, acct *account, st *state, ephemeral bool) error {
	home := st.Postgres.Home
	unfinished := filepath.Join(home, clusterName+".new")
	pwFile := filepath.Join(home, "password.new")
	if err := os.WriteFile(pwFile, []byte(st.Postgres.Password+"\n"), 0o600); err != nil {
		return err
	}
	defer func() { _ = os.Remove(pwFile) }() // a leftover is as private as the state file
	if err := acct.chown(pwFile); err != nil {
		return err
	}
	var failures []error
	for _, locale := range clusterLocales {
		if err := os.RemoveAll(unfinished); err != nil {
			return err
		}
		args := append([]string{
			"-D", unfinished, "-U", pgUser, "--pwfile", pwFile, "--encoding", "UTF8",
			"--auth-local", "scram-sha-256",
		}, locale...)
		if ephemeral {
			// On loopback, for tests: SCRAM takes their race detector 40 ms a connection.
			args = append(args, "--no-sync", "--auth-host", "password")
		} else {
			args = append(args, "--auth-host", "scram-sha-256")
		}
		err := runInitdb(ctx, bin, acct, home, args)
		if err == nil {
			return os.Rename(unfinished, filepath.Join(home, clusterName))
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// clusterLocales are tried in turn. Byte order for sorting in all of them; the first two know
// upper and lower case beyond ASCII. Which of the names exist differs between Linux and macOS.
// Nothing is said about the locale provider: libc, the default of every version, is meant.
var clusterLocales = [][]string{
	{"--locale=C", "--lc-ctype=C.UTF-8"},
	{"--locale=C", "--lc-ctype=en_US.UTF-8"},
	{"--locale=C"},
}

func runInitdb(ctx context.Context, bin postgresBinaries, acct *account, home string, args []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin.path("initdb"), args...) //nolint:gosec // a found program
	cmd.Dir = home
	cmd.Env = childEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	acct.apply(cmd.SysProcAttr)
	// The whole group: initdb runs a postgres of its own.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("initdb (PostgreSQL %s): %w\n%s", bin.version, err, lastLines(out.String(), 10))
	}
	return nil
}
