package main

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"evently/internal/app"
	"evently/internal/config"
)

// newServeCommand gives `evently serve`.
func newServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the API (the default)",
		Long: "Serve the API on PORT, over the stores in DATABASE_URL and REDIS_URL, until SIGINT or SIGTERM:\n" +
			"requests that run are finished then. A second signal ends the process at once.",
		Example: "  DATABASE_URL=postgres://localhost/evently REDIS_URL=redis://localhost:6379 evently serve",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := settings(config.NeedServe, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			log.InfoContext(cmd.Context(), "starting", "version", version, "commit", commit)
			log.DebugContext(cmd.Context(), "configuration", "config", cfg)
			return serve(cmd.Context(), app.Options{Config: cfg, Log: log, Version: version, Commit: commit})
		},
	}
}

// ballast, in bytes, is memory that is never touched, and so never there, but counts as living on the
// heap. Little lives there: by the runtime's own measure, which is to double, the heap would be
// collected dozens of times a second, for a fifth of all processor time. With the ballast it is
// collected when some 30 MB are new, however little lives, and when it doubles where much does.
const ballast = 16 << 20

// memoryLimit, in bytes, is where the heap is collected more often instead: ten thousand event streams
// fit below it.
const memoryLimit = 300<<20 + ballast

// serve runs an App until ctx is done.
func serve(ctx context.Context, o app.Options) error {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // nobody has set GOMEMLIMIT
		debug.SetMemoryLimit(memoryLimit)
	}
	weight := make([]byte, ballast)
	defer runtime.KeepAlive(weight)
	a, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // what only the start has needed
	return a.Run(ctx)
}
