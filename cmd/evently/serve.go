package main

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"evently/internal/app"
	"evently/internal/config"
)

// newServeCommand returns `evently serve`.
func newServeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the API (the default)",
		Long: "Serve the API on LISTEN_ADDR and PORT, with the stores in DATABASE_URL and REDIS_URL, until SIGINT or SIGTERM.\n" +
			"Running requests are completed. A second signal stops the process at once.",
		Example: "  DATABASE_URL=postgres://localhost/evently REDIS_URL=redis://localhost:6379 JWT_SECRET=… evently serve",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := settings(config.NeedServe, cmd.ErrOrStderr())
			if err != nil {
				return fmt.Errorf("%w\n`evently help config` explains the settings. To try Evently out without any, run `evently dev`", err)
			}
			log.InfoContext(cmd.Context(), "starting", "version", version, "commit", commit)
			log.DebugContext(cmd.Context(), "configuration", "config", cfg)
			return serve(cmd.Context(), app.Options{Config: cfg, Log: log, Version: version, Commit: commit})
		},
	}
}

// serve runs an App until ctx is done.
func serve(ctx context.Context, o app.Options) error {
	a, err := app.New(ctx, o)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // of migrations and other work of the start
	return a.Run(ctx)
}
