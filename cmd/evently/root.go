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
	"evently/internal/telemetry"
)

// dotenv is the optional settings file in the working directory.
const dotenv = ".env"

// discardRedisLog is a logger of go-redis.
type discardRedisLog struct{}

// Printf does nothing.
func (discardRedisLog) Printf(context.Context, string, ...any) {}

// newRootCommand returns `evently` with all subcommands. It clears usage if the command line is valid: later errors are
// failures.
func newRootCommand(usage *bool) *cobra.Command {
	serve := newServeCommand()
	root := &cobra.Command{
		Use:   "evently",
		Short: "Seat booking for shows",
		Long: "Evently books seats. Without a command it serves the API.\n\n" +
			"Settings come from the environment and from an optional .env; `evently help config` lists them.",
		Example: "  evently dev               # try it out: private stores, demo data, port 3000\n" +
			"  evently serve             # with DATABASE_URL and REDIS_URL\n" +
			"  evently migrate status    # list pending migrations",
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          serve.RunE,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := requireFlags(cmd); err != nil {
				return err
			}
			*usage = false
			return nil
		},
	}
	root.Version = versionLine()
	root.SetVersionTemplate("{{.Version}}\n")
	root.AddCommand(serve, newDevCommand(), newMigrateCommand(), newDemoCommand(), newAdminCommand(openAccountServices), newAuditCommand(),
		newHealthCommand(), newVersionCommand(), newConfigHelp())
	return root
}

// settings loads the configuration that the command needs, and returns it with a logger to errOut.
func settings(need config.Need, errOut io.Writer) (*config.Config, *slog.Logger, error) {
	environ, err := config.Environ(dotenv)
	if err != nil {
		return nil, nil, err
	}
	return settingsOf(environ, need, errOut)
}

func settingsOf(environ map[string]string, need config.Need, errOut io.Writer) (*config.Config, *slog.Logger, error) {
	cfg, err := config.Load(environ, need)
	if err != nil {
		return nil, nil, err
	}
	return cfg, telemetry.NewLogger(cfg, errOut), nil
}

// openServices returns the services of a command that needs only the database, and a function that closes them.
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

// openPool returns a pool. It fails unless the database has the schema of this binary.
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

// openAccountServices opens what `evently admin` works with.
func openAccountServices(ctx context.Context) (accountServices, func(), error) {
	cfg, log, err := settings(config.NeedDatabase, io.Discard)
	if err != nil {
		return accountServices{}, nil, err
	}
	services, closeStores, err := openServices(ctx, cfg, log)
	if err != nil {
		return accountServices{}, nil, err
	}
	return accountServices{auth: services.Auth, accounts: services.Accounts}, closeStores, nil
}
