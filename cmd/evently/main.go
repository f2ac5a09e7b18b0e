// Command evently serves the seat booking API and administers it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// Set by the linker: -ldflags "-X main.version=1.2.3 -X main.commit=… -X main.date=…".
var (
	version = "dev"
	commit  = "unknown"
	date    = "unknown"
)

// Exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() {
	// The first signal starts an orderly shutdown, and restores the default, so that a second one ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	// The callers of go-redis log its errors.
	redis.SetLogger(discardRedisLog{})
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run runs a command line and returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	usage := true                  // until the command line is valid
	root := newRootCommand(&usage) //nolint:contextcheck // commands get the context from ExecuteContextC
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case err == nil:
		return exitOK
	case usage:
		_, _ = fmt.Fprintf(errOut, "evently: %v\nSee `%s --help`.\n", err, cmd.CommandPath())
		return exitUsage
	default:
		_, _ = fmt.Fprintln(errOut, "evently:", inWords(err))
		return exitFailure
	}
}
