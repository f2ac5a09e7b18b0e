package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is the service or a yardstick server, on a free port.
type process struct {
	cmd    *exec.Cmd
	addr   string
	log    *os.File
	ended  chan error
	ready  time.Duration // from the start of the process to its first response
	cancel context.CancelFunc
}

const (
	readyWithin = 30 * time.Second
	readyPoll   = 2 * time.Millisecond
	stopWithin  = 15 * time.Second

	// portPlaceholder is replaced with the port in the arguments of a program.
	portPlaceholder = "{port}"
)

// spawn starts a program on a free port and waits until path responds 200.
func spawn(ctx context.Context, logPath, path string, environ []string, program string, args ...string) (*process, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p := &process{addr: "127.0.0.1:" + port, log: logFile, ended: make(chan error, 1)}
	ctx, p.cancel = context.WithCancel(ctx)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], portPlaceholder, port)
	}
	p.cmd = exec.CommandContext(ctx, program, args...) //nolint:gosec // our own program
	p.cmd.Env = append(slices.Clone(environ), "PORT="+port)
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	p.cmd.WaitDelay = stopWithin
	start := time.Now()
	if err := p.cmd.Start(); err != nil {
		p.cancel()
		return nil, errors.Join(err, logFile.Close())
	}
	go func() { p.ended <- p.cmd.Wait() }()
	if err := p.await(ctx, path); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.ready = time.Since(start)
	return p, nil
}

func (p *process) await(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	c := newClient(p.addr, 0)
	defer c.close()
	for {
		if status, _, err := c.do(ctx, get(path, "")); err == nil && status == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not respond; see %s", p.cmd.Path, p.log.Name())
		case err := <-p.ended:
			p.ended <- err
			return fmt.Errorf("%s ended: %w; see %s", p.cmd.Path, err, p.log.Name())
		case <-time.After(readyPoll):
		}
	}
}

// stop terminates the process and waits for its end.
func (p *process) stop() error {
	p.cancel()
	err := <-p.ended
	p.ended <- err
	var exit *exec.ExitError
	if errors.Is(err, context.Canceled) || errors.As(err, &exit) && exit.ExitCode() < 0 {
		err = nil // ended by our signal
	}
	return errors.Join(err, p.log.Close())
}

// memory returns a field of the memory statistics in bytes: VmRSS is the current size, VmHWM the peak.
func (p *process) memory(field string) int64 {
	status, err := os.ReadFile(p.proc("status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			if err == nil {
				return kb << 10
			}
		}
	}
	return 0
}

// clockTick is the unit of times in /proc on Linux.
const clockTick = 10 * time.Millisecond

// cpu returns the processor time used so far.
func (p *process) cpu() time.Duration {
	stat, err := os.ReadFile(p.proc("stat"))
	if err != nil {
		return 0
	}
	// The name in parentheses may have spaces; utime and stime are fields 12 and 13 after it.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * clockTick
}

func (p *process) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(p.cmd.Process.Pid), name)
}

// freePort returns a port that is free on all addresses. It is below those that the kernel gives to clients: one of
// them may take any of those before the program listens.
func freePort(ctx context.Context) (string, error) {
	const lowest, highest = 20_000, 32_000
	var err error
	for range 100 {
		port := strconv.Itoa(lowest + rand.IntN(highest-lowest)) //nolint:gosec // not a secret
		var l net.Listener
		if l, err = new(net.ListenConfig).Listen(ctx, "tcp", ":"+port); err == nil {
			return port, l.Close()
		}
	}
	return "", err
}
