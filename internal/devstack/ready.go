package devstack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

var errExited = errors.New("it ended at once")

// waitReady asks ready again and again until it succeeds, the process ends or ctx is done.
func waitReady(ctx context.Context, p *process, ready func(context.Context) error) error {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			p.serving.Store(true)
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%w (%w)", errExited, p.exitErr)
		case <-ctx.Done():
			return fmt.Errorf("%w; the last attempt: %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// choosePort returns the preferred port when it is free, so that a developer's saved connection
// keeps working, and any free one otherwise. Somebody may take it before the store does; the
// callers try again then.
func choosePort(ctx context.Context, preferred int) (int, error) {
	if preferred != 0 && portIsFree(ctx, preferred) {
		return preferred, nil
	}
	l, err := listenLoopback(ctx, 0)
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}

func portIsFree(ctx context.Context, port int) bool {
	l, err := listenLoopback(ctx, port)
	return err == nil && l.Close() == nil
}

func listenLoopback(ctx context.Context, port int) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp4", "127.0.0.1:"+strconv.Itoa(port))
}

// tailFile returns the last lines of a log for an error message.
func tailFile(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	return fmt.Sprintf("last lines of %s:\n%s", path, lastLines(string(raw), 15))
}

func logSays(path, text string) bool {
	raw, err := os.ReadFile(path)
	return err == nil && strings.Contains(string(raw), text)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
