package devstack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// installTimeout bounds everything that one Start asks of the package manager.
const installTimeout = 10 * time.Minute

// packageManager says how one package manager gets the stores without asking questions. For
// each store the package lists are alternatives: distributions name and ship them differently.
type packageManager struct {
	program  string
	refresh  []string // run once, its failure is not fatal; nil when the install does it itself
	install  []string
	postgres [][]string
	redis    [][]string
	asUser   bool // refuses to run as root
}

// packageManagers are tried in this order; the first one on PATH is used.
var packageManagers = []packageManager{
	{
		program:  "apt-get",
		refresh:  []string{"update"},
		install:  []string{"install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"},
		postgres: [][]string{{"postgresql"}},
		redis:    [][]string{{"redis-server"}, {"valkey-server"}},
	},
	{
		program:  "dnf",
		install:  []string{"install", "-y"},
		postgres: [][]string{{"postgresql-server", "postgresql-contrib"}, {"postgresql-server"}},
		redis:    [][]string{{"redis"}, {"valkey"}},
	},
	{
		program:  "yum",
		install:  []string{"install", "-y"},
		postgres: [][]string{{"postgresql-server", "postgresql-contrib"}, {"postgresql-server"}},
		redis:    [][]string{{"redis"}, {"valkey"}},
	},
	{
		program:  "apk",
		install:  []string{"add", "--no-cache"},
		postgres: [][]string{{"postgresql"}},
		redis:    [][]string{{"redis"}, {"valkey"}},
	},
	{
		program:  "brew",
		install:  []string{"install"},
		postgres: [][]string{{"postgresql@17"}},
		redis:    [][]string{{"redis"}, {"valkey"}},
		asUser:   true,
	},
}

// Ensure installs PostgreSQL and Redis where they are missing. It fails if PostgreSQL is still missing then.
func Ensure(ctx context.Context, log *slog.Logger) error {
	found, err := (&Stack{opts: Options{Install: true, Log: log}}).findPrograms(ctx)
	if err == nil && len(found.postgres) == 0 {
		err = errors.New("PostgreSQL could not be installed: install it with your package manager")
	}
	return err
}

// findPrograms returns the programs on this machine, after installing missing ones where Options
// allow that. What could not be installed is simply still missing: the callers know what to do
// without it. An installation that failed is logged with the end of its output.
func (s *Stack) findPrograms(ctx context.Context) (binaries, error) {
	find := s.opts.find
	if find == nil {
		find = findBinaries
	}
	needs := func(b binaries) (postgres, redis bool) {
		return s.opts.DatabaseURL == "" && len(b.postgres) == 0, s.opts.RedisURL == "" && b.redis == ""
	}
	found := find(ctx)
	if pg, rd := needs(found); !s.opts.Install || (!pg && !rd) {
		return found, nil
	}

	ctx, cancel := context.WithTimeout(ctx, installTimeout)
	defer cancel()
	// Test packages start at the same time: one installs, the others wait and find it done.
	lock, err := lockFileWait(ctx, filepath.Join(os.TempDir(), "evently-install-"+strconv.Itoa(os.Getuid())+".lock"))
	if err != nil {
		return binaries{}, fmt.Errorf("wait for another installation: %w", err)
	}
	found = find(ctx)
	pg, rd := needs(found)
	if pg || rd {
		install(ctx, s.opts.Log, pg, rd)
		found = find(ctx)
	}
	return found, lock.release()
}

func install(ctx context.Context, log *slog.Logger, postgres, redis bool) {
	pm, prefix, err := choosePackageManager(ctx)
	if err != nil {
		log.Warn("cannot install the missing programs", "error", err)
		return
	}
	if pm.refresh != nil {
		if err := runInstaller(ctx, prefix, pm.program, pm.refresh); err != nil {
			log.Warn("could not refresh the package lists, going on with what is there", "error", err)
		}
	}
	for _, want := range []struct {
		name     string
		missing  bool
		packages [][]string
	}{{"PostgreSQL", postgres, pm.postgres}, {"Redis", redis, pm.redis}} {
		if !want.missing {
			continue
		}
		var errs []error
		for _, packages := range want.packages {
			log.Info("installing", "program", want.name, "with", pm.program, "packages", strings.Join(packages, " "))
			err := runInstaller(ctx, prefix, pm.program, append(append([]string{}, pm.install...), packages...))
			if err == nil {
				errs = nil
				break
			}
			errs = append(errs, err)
		}
		if len(errs) > 0 {
			log.Warn("installation failed", "program", want.name, "error", errors.Join(errs...))
		}
	}
}

// choosePackageManager returns the machine's package manager and what to put in front of it to
// become root, if anything. It never prompts for a password.
func choosePackageManager(ctx context.Context) (packageManager, []string, error) {
	for _, pm := range packageManagers {
		if _, err := exec.LookPath(pm.program); err != nil {
			continue
		}
		root := os.Geteuid() == 0
		switch {
		case pm.asUser && root:
			continue
		case pm.asUser || root:
			return pm, nil, nil
		}
		if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			return pm, nil, fmt.Errorf("%s needs root, and sudo is missing or asks for a password", pm.program)
		}
		return pm, []string{"sudo", "-n"}, nil
	}
	return packageManager{}, nil, errors.New("found none of apt-get, dnf, yum, apk and brew")
}

func runInstaller(ctx context.Context, prefix []string, program string, args []string) error {
	// Through env(1), because sudo drops our environment. The RUNLEVEL keeps Debian's packages
	// from starting a service of their own on the default port.
	argv := append(append([]string{}, prefix...),
		"env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "HOMEBREW_NO_AUTO_UPDATE=1", "LC_ALL=C", program)
	argv = append(argv, args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // fixed programs and arguments from the table above
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{program}, args...), " "), err, lastLines(out.String(), 10))
	}
	return nil
}
