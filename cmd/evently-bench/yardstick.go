package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// serveMemory is the yardstick of reads: net/http with one response from memory.
func serveMemory(ctx context.Context, port, file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	length := strconv.Itoa(len(body))
	return listen(ctx, port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", length)
		_, _ = w.Write(body)
	}))
}

// listen serves handler on the loopback interface until ctx ends.
func listen(ctx context.Context, port string, handler http.Handler) error {
	server := &http.Server{ //nolint:gosec // no strangers connect to it
		Addr: net.JoinHostPort("127.0.0.1", port), Handler: handler,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startYardstick starts this program as a yardstick server that ends with the instance.
func (in *instance) startYardstick(ctx context.Context, ready string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args = append(args, "-port", portPlaceholder)
	p, err := spawn(ctx, in.file("yardstick.log"), ready, in.environ, self, args...)
	if err == nil {
		in.yardsticks = append(in.yardsticks, p)
	}
	return p, err
}

// fromMemory starts serveMemory with the service's response to a path.
func (in *instance) fromMemory(ctx context.Context, path string) (*process, error) {
	c := newClient(in.addr, 0)
	defer c.close()
	body, err := c.expect(ctx, get(path, ""), http.StatusOK)
	if err != nil {
		return nil, err
	}
	file := in.file("yardstick.body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return nil, err
	}
	return in.startYardstick(ctx, "/", "-serve-memory", file)
}

// file returns the path of a file of the instance.
func (in *instance) file(name string) string { return filepath.Join(in.stack.dir, in.name+"."+name) }

// psqlInsert creates a show with psql and returns the time of the INSERT of its seats.
func (in *instance) psqlInsert(ctx context.Context, h *hall, start time.Time) (time.Duration, error) {
	psql, err := postgresProgram(ctx, "psql")
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", in.databaseURL) //nolint:gosec // PostgreSQL's own program
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`
		INSERT INTO shows (event_id, venue_id, start_time, end_time, price, total_seats)
		VALUES (%d, %d, '%s', '%s', 450, %d) RETURNING show_id \gset
		\timing on
		INSERT INTO show_seats (show_id, seat_id) SELECT :show_id, seat_id FROM seats WHERE venue_id = %d;
		`, h.event, h.venue, start.Format(time.RFC3339), start.Add(time.Hour).Format(time.RFC3339), h.seats, h.venue))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("psql: %w: %s", err, out)
	}
	return parseTiming(string(out))
}

// parseTiming returns the duration in the output of psql's \timing.
func parseTiming(out string) (time.Duration, error) {
	_, rest, found := strings.Cut(out, "Time: ")
	value, _, _ := strings.Cut(rest, " ")
	ms, err := strconv.ParseFloat(value, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("psql printed no time: %q", out)
	}
	return time.Duration(ms * float64(time.Millisecond)), nil
}

// postgresProgram returns the path of a program of PostgreSQL.
func postgresProgram(ctx context.Context, name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output()
	if err != nil {
		return "", fmt.Errorf("%s and pg_config are not on PATH", name)
	}
	return exec.LookPath(filepath.Join(strings.TrimSpace(string(out)), name))
}
