package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"evently/internal/app"
	"evently/internal/config"
	"evently/internal/rediskit"
	"evently/internal/service"
)

// maxAuditLimit bounds --limit.
const maxAuditLimit = 10_000

// newAuditCommand returns `evently audit`.
func newAuditCommand() *cobra.Command {
	var o service.AuditRules
	audit := &cobra.Command{
		Use:   "audit",
		Short: "Check the data in the stores",
		Long: "Check the data in the stores: no seat is sold twice, CONFIRMED bookings are paid once and have their seats,\n" +
			"CANCELLED ones have none and are refunded, holds expire in time, and seat locks belong to holds.\n\n" +
			"The audit only reads, DATABASE_URL in one snapshot and REDIS_URL, if it is set, in small steps, and can run\n" +
			"while the service is busy. It prints each violation as a line on standard output. The exit code is 0 without\n" +
			"violations, 1 with some or if the audit was not finished, and 2 if the command line is wrong.",
		Example: "  evently audit\n" +
			"  evently audit --limit 1000 > violations.txt\n" +
			"  evently audit --grace 10m",
		Args: func(cmd *cobra.Command, args []string) error {
			if o.Limit < 1 || o.Limit > maxAuditLimit {
				return fmt.Errorf("--limit must be from 1 to %d", maxAuditLimit)
			}
			if o.Grace < 0 || o.Settle < 0 {
				return errors.New("--grace and --settle must not be negative")
			}
			return noArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runAudit(cmd, o) },
	}
	audit.Flags().DurationVar(&o.Grace, "grace", 0,
		"how long a hold may be overdue and a lock without a hold may last (default: the interval of CLEANUP_SCHEDULE and a minute)")
	audit.Flags().DurationVar(&o.Settle, "settle", 0,
		"when to check a lock without a hold again, which may belong to a running request (default: the longest time of a request)")
	audit.Flags().IntVar(&o.Limit, "limit", 100, "violations of each check to print")
	return audit
}

func runAudit(cmd *cobra.Command, o service.AuditRules) error {
	ctx := cmd.Context()
	cfg, _, err := settings(config.NeedDatabase, io.Discard)
	if err != nil {
		return err
	}
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return err
	}
	defer pool.Close()
	var client *rediskit.Client
	if cfg.Redis.URL != "" {
		if client, err = rediskit.Open(cfg.Redis.URL.Parts(), rediskit.Options{Timeout: cfg.Redis.Timeout}); err != nil {
			return err
		}
		defer func() { _ = client.Close() }()
	}

	start := time.Now()
	report, err := app.NewAudit(cfg, pool, client, o).Run(ctx, progress(cmd.ErrOrStderr(), "checking"))
	return errors.Join(printAudit(cmd.OutOrStdout(), report, client != nil, time.Since(start)), failedAudit(report, err))
}

// failedAudit returns the error that sets the exit code.
func failedAudit(report service.AuditReport, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("the audit was not finished: %w", err)
	case len(report.Violations) > 0:
		return fmt.Errorf("%d violation(s)", len(report.Violations))
	}
	return nil
}

func printAudit(out io.Writer, report service.AuditReport, locks bool, took time.Duration) error {
	for _, v := range report.Violations {
		if _, err := fmt.Fprintf(out, "%s: %s\n", v.Check, v.Detail); err != nil {
			return err
		}
	}
	note := ""
	switch {
	case !locks:
		note = "; seat locks were not checked, REDIS_URL is not set"
	case report.MoreLocks:
		note = "; there are more seat locks than were checked"
	}
	_, err := fmt.Fprintf(out, "%d checks in %s, %d violation(s)%s\n",
		report.Checks, took.Round(time.Millisecond), len(report.Violations), note)
	return err
}
