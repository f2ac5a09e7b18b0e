package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	migrate.AddCommand(newMigrateUpCommand(), newMigrateDownCommand(), newMigrateStatusCommand(), newMigrateResetCommand())
	return migrate
}

func newMigrateUpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "up",
		Short:   "Apply all migrations that are missing",
		Example: "  evently migrate up",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withMigrations(cmd, func(ctx context.Context, databaseURL string, log *slog.Logger) error {
				before, err := schema.Status(ctx, databaseURL)
				if err != nil {
					return err
				}
				if err := schema.Up(ctx, databaseURL, log); err != nil {
					return err
				}
				if slices.ContainsFunc(before, func(m schema.Migration) bool { return m.AppliedAt.IsZero() }) {
					return nil // each that was applied is logged
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "The schema is up to date: migration %d is the last one.\n", schema.Expected())
				return err
			})
		},
	}
}

func newMigrateDownCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "down --yes",
		Short:   "Revert the last migration, with the data in what it created",
		Long:    "Revert the last migration. Without --yes it says what would be run, and does nothing.",
		Example: "  evently migrate down\n  evently migrate down --yes",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withMigrations(cmd, func(ctx context.Context, databaseURL string, log *slog.Logger) error {
				if yes {
					return schema.Down(ctx, databaseURL, log)
				}
				name, statements, err := schema.NextDown(ctx, databaseURL)
				if err != nil {
					return err
				}
				return fmt.Errorf("this reverts %s; the data in what it drops is lost:\n\n%s\nConfirm with --yes", name, statements)
			})
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "confirm that the data may be lost")
	return cmd
}

// withMigrations calls do with the database whose schema is to be changed.
func withMigrations(cmd *cobra.Command, do func(ctx context.Context, databaseURL string, log *slog.Logger) error) error {
	cfg, log, err := settings(config.NeedDatabase, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	return do(cmd.Context(), cfg.Database.ForMigrations(), log)
}

func newMigrateStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "List the migrations and when each was applied",
		Example: "  evently migrate status",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var list []schema.Migration
			err := withMigrations(cmd, func(ctx context.Context, databaseURL string, _ *slog.Logger) (err error) {
				list, err = schema.Status(ctx, databaseURL)
				return err
			})
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
	reset := &cobra.Command{
		Use:     "reset --yes",
		Short:   "Revert all migrations: all rows are lost",
		Example: "  evently migrate reset --yes",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes {
				return errors.New("this deletes all rows of the database: confirm with --yes")
			}
			return withMigrations(cmd, schema.Reset)
		},
	}
	reset.Flags().BoolVar(&yes, "yes", false, "confirm that all rows may be lost")
	return reset
}
