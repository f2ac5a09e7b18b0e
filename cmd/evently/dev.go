package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
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

// localOrigins are those of pages that a developer serves from this machine.
var localOrigins = config.Origins{
	"http://localhost", "http://localhost:*", "https://localhost", "https://localhost:*",
	"http://127.0.0.1", "http://127.0.0.1:*", "http://[::1]", "http://[::1]:*",
}

// devStackDir is the data directory of the private stores.
const devStackDir = ".devstack"

// newDevCommand returns `evently dev`.
func newDevCommand() *cobra.Command {
	var printEnv, clean bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Serve with private stores and demo data",
		Long: "Start a private PostgreSQL and Redis in ./" + devStackDir + ", migrate, load the demo data and serve on PORT\n" +
			"(3000) of this machine alone, or on LISTEN_ADDR. With DATABASE_URL or REDIS_URL set, those stores are used\n" +
			"instead. Pages of this machine may call the API, unless CORS_ALLOWED_ORIGINS says otherwise. Ctrl-C stops\n" +
			"everything; the data stays for the next time.",
		Example: "  evently dev\n" +
			"  LISTEN_ADDR=0.0.0.0 PORT=8080 evently dev   # for a phone in the same network\n" +
			"  eval \"$(evently dev --env)\"                # in another terminal, for `evently audit` and the like\n" +
			"  evently dev --clean                         # start anew next time",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case printEnv:
				return printDevEnv(cmd.OutOrStdout())
			case clean:
				return cleanDev(cmd)
			}
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
	cmd.Flags().BoolVar(&printEnv, "env", false, "print the settings of the stores that `evently dev` runs here, for a shell")
	cmd.Flags().BoolVar(&clean, "clean", false, "delete the data of earlier runs here")
	cmd.MarkFlagsMutuallyExclusive("env", "clean")
	return cmd
}

// printDevEnv prints what other commands need to work on the stores of a running `evently dev`.
func printDevEnv(out io.Writer) error {
	stack, err := devstack.Running(devStackDir)
	if errors.Is(err, devstack.ErrNotRunning) {
		return errors.New("`evently dev` has no stores of its own that run in this folder: start it in another terminal, or wait until it is ready")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "export APP_ENV=%s\nexport DATABASE_URL='%s'\nexport REDIS_URL='%s'\nexport JWT_SECRET='%s'\n",
		config.Development, stack.DatabaseURL, stack.RedisURL, stack.Secret)
	return err
}

func cleanDev(cmd *cobra.Command) error {
	if _, err := os.Lstat(devStackDir); errors.Is(err, fs.ErrNotExist) {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), "There is no data of `evently dev` in this folder.")
		return err
	}
	err := devstack.Remove(cmd.Context(), devStackDir, slog.New(slog.DiscardHandler))
	if errors.Is(err, devstack.ErrInUse) {
		return errors.New("`evently dev` runs in this folder: stop it first")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "The data of `evently dev` is gone; the next start makes a new database.")
	return err
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
		return err
	}
	stack, err := devstack.Start(ctx, devstack.Options{
		Dir:         devStackDir,
		DatabaseURL: cfg.Database.URL.Reveal(),
		RedisURL:    cfg.Redis.URL.Reveal(),
		Install:     true,
		Log:         log,
	})
	if errors.Is(err, devstack.ErrInUse) {
		err = errors.New("another `evently dev` runs in this folder: stop it, or start this one in another folder")
	}
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, stack.Stop(context.WithoutCancel(ctx))) }()

	ownDatabase := cfg.Database.URL == ""
	cfg.Database.URL, cfg.Redis.URL = config.URL(stack.DatabaseURL), config.URL(stack.RedisURL)
	if !ownDatabase {
		log.InfoContext(ctx, "DATABASE_URL is set: that database is used")
	}
	if ownDatabase {
		cfg.Database.MigrateURL = "" // belongs to another database
	}
	if ownDatabase && cfg.Auth.AdminEmail == "" {
		cfg.Auth.AdminEmail, cfg.Auth.AdminPassword = devAdminEmail, devAdminPassword
	}
	if cfg.Auth.Generated && stack.Secret != "" { // tokens outlive a restart
		cfg.Auth.JWTSecrets, cfg.Auth.Generated = config.Secrets{config.Secret(stack.Secret)}, false
	}
	if len(cfg.HTTP.AllowedOrigins) == 0 {
		cfg.HTTP.AllowedOrigins = localOrigins
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
	if err := printWelcome(out, a.Addr(), a.MetricsAddr(), cfg, loaded, ownDatabase); err != nil {
		return errors.Join(err, a.Close(ctx))
	}
	return a.Run(ctx)
}

// printWelcome prints the addresses, the accounts and the first commands.
func printWelcome(out io.Writer, addr, metrics net.Addr, cfg *config.Config, loaded service.DemoLoaded, ownDatabase bool) error {
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

  API      %[1]s/api/v1%[7]s
  Docs     %[1]s/api-docs/
  Health   %[1]s/health
  Metrics  http://%[6]s/metrics
  Admin    %[2]s
  User     %[3]s
%[8]s
Paste this into another terminal:

  curl -s %[1]s/api/v1/shows

  curl -s %[1]s/api/v1/auth/login -H 'Content-Type: application/json' \
    -d '{"email":"%[4]s","password":"%[5]s"}'

Ctrl-C stops everything.

`, base, admin, user, service.DemoEmail, service.DemoPassword, metrics, alsoAt(at), storesLine(ownDatabase))
	return err
}

// storesLine says how other commands get at the stores.
func storesLine(own bool) string {
	if !own {
		return ""
	}
	return fmt.Sprintf("  Stores   eval \"$(%[1]s dev --env)\" in a terminal of its own, and then `%[1]s audit` and the like\n", os.Args[0])
}

// alsoAt lists the API's addresses for other devices, when it listens on all of this machine's.
func alsoAt(at netip.AddrPort) string {
	if !at.Addr().IsUnspecified() {
		return ""
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	var lines strings.Builder
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil || !prefix.Addr().Is4() || prefix.Addr().IsLoopback() {
			continue
		}
		fmt.Fprintf(&lines, "\n           http://%s/api/v1 (for a phone in the same network)", netip.AddrPortFrom(prefix.Addr(), at.Port()))
	}
	return lines.String()
}
