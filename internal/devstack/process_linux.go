package devstack

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

func setParentDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) {
	attr.Pdeathsig = sig
}

// isOurs reports whether pid is a live process that runs one of programs for dir: named on its
// command line (PostgreSQL, whose working directory root may not read inside a container) or as
// its working directory (Redis, which rewrites its command line).
func isOurs(_ context.Context, pid int, programs []string, dir string) bool {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	comm, err := os.ReadFile(filepath.Join(proc, "comm"))
	if err != nil || !slices.Contains(programs, strings.TrimSpace(string(comm))) {
		return false
	}
	cmdline, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || len(cmdline) == 0 { // a zombie has none
		return false
	}
	if slices.Contains(strings.Split(string(cmdline), "\x00"), dir) {
		return true
	}
	cwd, err := os.Readlink(filepath.Join(proc, "cwd"))
	return err == nil && cwd == dir
}
