package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// serveFile is the yardstick of what is read: net/http with a body from memory and nothing else.
// It is a process of its own, as the service is.
func serveFile(ctx context.Context, port, file string) error {
	body, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	length := strconv.Itoa(len(body))
	server := &http.Server{ //nolint:gosec // only ever asked by this program
		Addr: net.JoinHostPort("127.0.0.1", port),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			w.Header().Set("Content-Length", length)
			_, _ = w.Write(body)
		}),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// memoryServer runs serveFile over body in another process.
func (s *stack) memoryServer(ctx context.Context, body []byte) (*process, error) {
	file := filepath.Join(s.dir, "yardstick.body")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return spawn(ctx, filepath.Join(s.dir, "yardstick.log"), "/", nil, self, "-port", portMark, "-serve-file", file)
}

// pgbench runs a script with 32 clients for a number of seconds and gives its transactions a second.
func (in *instance) pgbench(ctx context.Context, seconds int, script string, defines ...string) (float64, error) {
	path, err := program(ctx, "pgbench")
	if err != nil {
		return 0, err
	}
	file := filepath.Join(in.stack.dir, "script.sql")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return 0, err
	}
	args := []string{"-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", "2", "-T", strconv.Itoa(seconds), "-f", file}
	for _, define := range defines {
		args = append(args, "-D", define)
	}
	cmd := exec.CommandContext(ctx, path, append(args, in.databaseURL)...) //nolint:gosec // a found program
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, errors.Join(err, errors.New(string(out)))
	}
	_, rest, found := strings.Cut(string(out), "\ntps = ")
	value, _, _ := strings.Cut(rest, " ")
	if !found {
		return 0, errors.New(string(out))
	}
	return strconv.ParseFloat(value, 64)
}
