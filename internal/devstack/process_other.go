//go:build !linux

package devstack

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// setParentDeathSignal does nothing: only Linux has such a signal. Elsewhere what a killed run
// leaves behind is found and ended by the next one.
func setParentDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}

// isOurs reports whether pid is a live process that runs one of programs with dir as its
// working directory, as ps and lsof tell it.
func isOurs(ctx context.Context, pid int, programs []string, dir string) bool {
	// Answered even when ctx is done: "no" would mean that its files may be removed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	id := strconv.Itoa(pid)
	comm, err := exec.CommandContext(ctx, "ps", "-p", id, "-o", "comm=").Output() //nolint:gosec // id is a number
	if err != nil || !slices.Contains(programs, filepath.Base(strings.TrimSpace(string(comm)))) {
		return false
	}
	files, err := exec.CommandContext(ctx, "lsof", "-a", "-p", id, "-d", "cwd", "-Fn").Output() //nolint:gosec // id is a number
	return err == nil && slices.Contains(strings.Split(string(files), "\n"), "n"+dir)
}
