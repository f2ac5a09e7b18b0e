package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"evently/internal/config"
	"evently/internal/schema"
)

// newMigrateCommand returns `evently migrate`.
func newMigrateCommand() *cobra.Command {
	migrate := &cobra.Command{
		Use:   "migrate",
		Short: "Change the schema of the database",
		Long: "Change the schema of the database in MIGRATE_DATABASE_URL or, when that is not set, DATABASE_URL.\n" +
			"Instances and commands that do so at the same time take turns. The URL must not point to a\n" +
			"pooler in transaction mode. A database of another service, or one that is not UTF8, is refused.",
		Example: "  evently migrate up\n  evently migrate status\n  evently migrate reset --yes",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	migrate.AddCommand(
		newMigrationCommand("up", "Apply all migrations that are missing", schema.Up),
		newMigrationCommand("down", "Revert the last migration, with the data in what it created", schema.Down),
		newMigrateStatusCommand(),
		newMigrateResetCommand(),
	)
	return migrate
}

func newMigrationCommand(use, short string, do func(context.Context, string, *slog.Logger) error) *cobra.Command {
	return &cobra.Command{
		Use:     use,
		Short:   short,
		Example: "  evently migrate " + use,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, log, err := settings(config.NeedDatabase, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return do(cmd.Context(), cfg.Database.ForMigrations(), log)
		},
	}
}

func newMigrateStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "List the migrations and when each was applied",
		Example: "  evently migrate status",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, _, err := settings(config.NeedDatabase, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			list, err := schema.Status(cmd.Context(), cfg.Database.ForMigrations())
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, m := range list {
				applied := "pending"
				if !m.AppliedAt.IsZero() {
					applied = m.AppliedAt.Format(time.RFC3339)
				}
				_, _ = fmt.Fprintf(table, "%s\t%s\n", applied, m.Name) // Flush returns the error
			}
			return table.Flush()
		},
	}
}

func newMigrateResetCommand() *cobra.Command {
	var yes bool
	reset := newMigrationCommand("reset", "Revert all migrations: all rows are lost", schema.Reset)
	reset.Example = "  evently migrate reset --yes"
	reset.Flags().BoolVar(&yes, "yes", false, "confirm that all rows may be lost")
	do := reset.RunE
	reset.RunE = func(cmd *cobra.Command, args []string) error {
		if !yes {
			return errors.New("this deletes all rows of the database: confirm with --yes")
		}
		return do(cmd, args)
	}
	return reset
}
