package main

import (
	"context"
	"io"
	"log/slog"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"evently/internal/app"
	"evently/internal/config"
	"evently/internal/schema"
	"evently/internal/service"
)

// dotenv is the optional file of settings in the working directory.
const dotenv = ".env"

// discardRedisLog takes what go-redis has to say.
type discardRedisLog struct{}

// Printf prints nothing.
func (discardRedisLog) Printf(context.Context, string, ...any) {}

// newRootCommand gives `evently` with everything below it. It clears usage when the command line
// is a good one: errors from then on are failures of the work.
func newRootCommand(usage *bool) *cobra.Command {
	serve := newServeCommand()
	root := &cobra.Command{
		Use:   "evently",
		Short: "Seat booking for shows",
		Long: "Evently books seats. Without a command it serves the API.\n\n" +
			"Settings come from the environment and from an optional .env; docs/configuration.md lists them.",
		Example: "  evently dev               # try it out: private stores, demo data, port 3000\n" +
			"  evently serve             # with DATABASE_URL and REDIS_URL\n" +
			"  evently migrate status    # what the database lacks",
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          serve.RunE,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return err
			}
			*usage = false
			return nil
		},
	}
	root.AddCommand(serve, newDevCommand(), newMigrateCommand(), newDemoCommand(), newAdminCommand(openAuth), newAuditCommand(), newHealthCommand(), newVersionCommand())
	return root
}

// settings loads what the command needs of the configuration and gives the logger that goes with it.
func settings(need config.Need, errOut io.Writer) (*config.Config, *slog.Logger, error) {
	environ, err := config.Environ(dotenv)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := config.Load(environ, need)
	if err != nil {
		return nil, nil, err
	}
	return cfg, app.NewLogger(cfg, errOut), nil
}

// openServices gives the use cases for a command that only needs the database, and what to call
// when done with them.
func openServices(ctx context.Context, cfg *config.Config, log *slog.Logger) (*app.Services, func(), error) {
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return nil, nil, err
	}
	services, err := app.NewServices(cfg, pool, nil, nil, nil, log)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return services, pool.Close, nil
}

// openPool gives a pool on a database that has the schema of this binary.
func openPool(ctx context.Context, cfg *config.Config) (*pgxpool.Pool, error) {
	pool, err := app.OpenPostgres(ctx, cfg.Database, nil)
	if err != nil {
		return nil, err
	}
	if err := schema.Verify(ctx, pool); err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// openAuth gives the accounts for `evently admin`.
func openAuth(ctx context.Context) (*service.Auth, func(), error) {
	cfg, log, err := settings(config.NeedDatabase, io.Discard)
	if err != nil {
		return nil, nil, err
	}
	services, closeStores, err := openServices(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	return services.Auth, closeStores, nil
}
