package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// killWait bounds the wait for a process after SIGKILL.
const killWait = 5 * time.Second

// spawner starts child processes from one operating system thread that lives as long as the
// stack. Linux sends a child its parent death signal when the thread that forked it ends, and Go
// ends threads when it likes; close waits for the goroutine.
type spawner struct {
	work chan func()
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func()), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	s.work <- func() { result <- cmd.Start() }
	return <-result
}

func (s *spawner) close() {
	close(s.work)
	<-s.done
}

// process is a running child. Its exit is collected by a goroutine that ends with it.
type process struct {
	name    string
	cmd     *exec.Cmd
	exited  chan struct{}
	exitErr error // valid once exited is closed
	// serving is true from the first answer to stop: an exit in between is worth an error.
	serving atomic.Bool
}

// command describes a child to start.
type command struct {
	name    string
	path    string
	args    []string
	dir     string
	logFile *os.File
	user    *account
	// onParentDeath is sent to the child when this process dies (Linux only); 0 is none.
	onParentDeath syscall.Signal
}

func (s *spawner) spawn(c command, log *slog.Logger) (*process, error) {
	// Not exec.CommandContext: a child outlives the context of the call that starts it.
	cmd := exec.Command(c.path, c.args...) //nolint:gosec,noctx // the path was found by us; stop ends it
	cmd.Dir = c.dir
	cmd.Env = childEnv()
	cmd.Stdout, cmd.Stderr = c.logFile, c.logFile
	// A group of its own keeps the terminal's Ctrl-C away: we stop the children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.onParentDeath != 0 {
		setParentDeathSignal(cmd.SysProcAttr, c.onParentDeath)
	}
	c.user.apply(cmd.SysProcAttr)
	if err := s.start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	p := &process{name: c.name, cmd: cmd, exited: make(chan struct{})}
	go func() {
		p.exitErr = cmd.Wait()
		if p.serving.Load() {
			log.Error("a store of the private stack ended by itself",
				"store", c.name, "error", p.exitErr, "log", c.logFile.Name())
		}
		close(p.exited)
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) hasExited() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// stop sends the signals one after the other, each with its patience, until the process has
// ended. The last resort is always SIGKILL. When ctx is done the remaining patience is skipped.
func (p *process) stop(ctx context.Context, steps ...stopStep) error {
	p.serving.Store(false)
	for _, step := range steps {
		if p.hasExited() {
			return nil
		}
		if err := p.cmd.Process.Signal(step.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return fmt.Errorf("stop %s: %w", p.name, err)
		}
		if waitFor(ctx, p.exited, step.patience) {
			return nil
		}
	}
	_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	if waitFor(context.WithoutCancel(ctx), p.exited, killWait) {
		return nil
	}
	return fmt.Errorf("stop %s: process %d survived SIGKILL", p.name, p.pid())
}

// stopStep is a signal and how long to wait for its effect.
type stopStep struct {
	signal   syscall.Signal
	patience time.Duration
}

func waitFor(ctx context.Context, done <-chan struct{}, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// childEnv is our environment without what would redirect PostgreSQL (PGDATA, PGPORT, …) or
// translate its messages.
func childEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "LC_") || name == "LANG" || name == "TZ" {
			continue
		}
		env = append(env, kv)
	}
	return append(env, "LC_ALL=C", "TZ=UTC")
}
