package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evently/internal/app"
	"evently/internal/config"
	"evently/internal/devstack"
	"evently/internal/server"
	"evently/internal/service"
)

// The administrator of `evently dev` without ADMIN_EMAIL. The password is public: the database must be private.
const (
	devAdminEmail    = "admin@evently.example"
	devAdminPassword = "admin-password-123"
)

// devStackDir is the data directory of the private stores.
const devStackDir = ".devstack"

// newDevCommand returns `evently dev`.
func newDevCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "dev",
		Short: "Serve with private stores and demo data",
		Long: "Start a private PostgreSQL and Redis in ./" + devStackDir + ", migrate, load the demo data and serve on PORT\n" +
			"(3000) of this machine alone, or on LISTEN_ADDR. With DATABASE_URL or REDIS_URL set, those stores are used\n" +
			"instead. Ctrl-C stops everything.",
		Example: "  evently dev\n  PORT=8080 evently dev",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			environ, err := config.Environ(dotenv)
			if err != nil {
				return err
			}
			environ["APP_ENV"] = cmp.Or(strings.TrimSpace(environ["APP_ENV"]), config.Development)
			cfg, log, err := settingsOf(environ, 0, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if cfg.IsProduction() {
				return errors.New("APP_ENV is production: dev creates accounts with public passwords")
			}
			return dev(cmd.Context(), cfg, log, cmd.OutOrStdout())
		},
	}
}

// dev starts the stores, loads the demo data and serves until ctx is done. It listens first, so that it starts nothing if the
// port is in use.
func dev(ctx context.Context, cfg *config.Config, log *slog.Logger, out io.Writer) (err error) {
	// By default loopback only: the passwords are public.
	host := cmp.Or(cfg.HTTP.ListenAddr, "127.0.0.1")
	if host != "localhost" && !netip.MustParseAddr(host).IsLoopback() {
		log.WarnContext(ctx, "LISTEN_ADDR is not a loopback address: whoever reaches it can sign in, the passwords are public")
	}
	listener, err := server.Listen(ctx, net.JoinHostPort(host, strconv.Itoa(cfg.HTTP.Port)))
	if err != nil {
		return fmt.Errorf("listen on port %d: %w", cfg.HTTP.Port, err)
	}
	stack, err := devstack.Start(ctx, devstack.Options{
		Dir:         devStackDir,
		DatabaseURL: cfg.Database.URL.Reveal(),
		RedisURL:    cfg.Redis.URL.Reveal(),
		Install:     true,
		Log:         log,
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, stack.Stop(context.WithoutCancel(ctx))) }()

	ownDatabase := cfg.Database.URL == ""
	cfg.Database.URL, cfg.Redis.URL = config.URL(stack.DatabaseURL), config.URL(stack.RedisURL)
	if ownDatabase {
		cfg.Database.MigrateURL = "" // belongs to another database
	}
	if ownDatabase && cfg.Auth.AdminEmail == "" {
		cfg.Auth.AdminEmail, cfg.Auth.AdminPassword = devAdminEmail, devAdminPassword
	}
	if cfg.Metrics.Addr == "" {
		cfg.Metrics.Addr = "127.0.0.1:0" // printed below
	}
	a, err := app.New(ctx, app.Options{Config: cfg, Log: log, Version: version, Commit: commit, Listener: listener})
	if err != nil {
		return err
	}
	loaded, err := a.Services().Demo.Load(ctx)
	if err != nil {
		return errors.Join(fmt.Errorf("load the demo data: %w", err), a.Close(ctx))
	}
	if err := printWelcome(out, a.Addr(), a.MetricsAddr(), cfg, loaded); err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	return a.Run(ctx)
}

// printWelcome prints the addresses, the accounts and the first commands.
func printWelcome(out io.Writer, addr, metrics net.Addr, cfg *config.Config, loaded service.DemoLoaded) error {
	at, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return err
	}
	base := "http://" + at.String()
	if at.Addr().IsUnspecified() || at.Addr() == netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
		base = "http://localhost:" + strconv.Itoa(int(at.Port()))
	}
	admin := "set ADMIN_EMAIL and ADMIN_PASSWORD, or run `evently admin create`"
	switch {
	case cfg.Auth.AdminEmail == devAdminEmail:
		admin = devAdminEmail + " / " + devAdminPassword
	case cfg.Auth.AdminEmail != "":
		admin = cfg.Auth.AdminEmail + " / the ADMIN_PASSWORD that is set"
	}
	user := service.DemoEmail + " / " + service.DemoPassword
	if loaded.EmailTaken {
		user = "none: a real user has " + service.DemoEmail
	}
	_, err = fmt.Fprintf(out, `
Evently is ready.

  API      %[1]s/api/v1
  Docs     %[1]s/api-docs/
  Health   %[1]s/health
  Metrics  http://%[6]s/metrics
  Admin    %[2]s
  User     %[3]s

Paste this into another terminal:

  curl -s %[1]s/api/v1/shows

  curl -s %[1]s/api/v1/auth/login -H 'Content-Type: application/json' \
    -d '{"email":"%[4]s","password":"%[5]s"}'

Ctrl-C stops everything.

`, base, admin, user, service.DemoEmail, service.DemoPassword, metrics)
	return err
}
