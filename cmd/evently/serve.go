package main

import (
	"context"
	"math"
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

// gcPercent lets the heap grow to three times what lives on it before it is collected. Little
// lives there, so by the runtime's own measure it would be collected dozens of times a second,
// which takes a fifth of all processor time.
const (
	gcPercent        = 200
	defaultGCPercent = 100
	// memoryLimit, in bytes, is where the heap is collected more often instead: ten thousand event
	// streams fit below it.
	memoryLimit = 300 << 20
)

// serve runs an App until ctx is done.
func serve(ctx context.Context, o app.Options) error {
	if set := debug.SetGCPercent(gcPercent); set != defaultGCPercent {
		debug.SetGCPercent(set) // somebody has set GOGC
	}
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // nobody has set GOMEMLIMIT
		debug.SetMemoryLimit(memoryLimit)
	}
	a, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	return a.Run(ctx)
}
