package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// account is the user who runs PostgreSQL. A nil account means this process's own user.
type account struct {
	name     string
	uid, gid uint32
}

// postgresAccount returns nil for an ordinary user. PostgreSQL refuses to run as root, so root
// gets the postgres account of the installed package, or nobody.
func postgresAccount() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil is a meaningful account: our own
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
		gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &account{name: name, uid: uint32(uid), gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root and there is no account named postgres or nobody to run it as")
}

func (a *account) apply(attr *syscall.SysProcAttr) {
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
}

func (a *account) chown(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// owns reports whether path is a real folder that belongs to the account. It guards the fallback
// in a folder where anybody may create names.
func (a *account) owns(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.IsDir() {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && a != nil && stat.Uid == a.uid
}

// canReach reports whether the account can enter dir through all the folders above it. It asks
// the kernel by trying, since mode bits alone do not tell (access lists, mount options).
func (a *account) canReach(ctx context.Context, dir string) bool {
	if a == nil {
		return true
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `cd "$1"`, "sh", dir) //nolint:gosec // dir is an argument, not code
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	a.apply(cmd.SysProcAttr)
	return cmd.Run() == nil
}
