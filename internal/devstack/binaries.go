package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const probeTimeout = 10 * time.Second

// postgresBinaries is one installation of PostgreSQL.
type postgresBinaries struct {
	dir     string
	version string // "15.14"
}

func (b postgresBinaries) major() string {
	major, _, _ := strings.Cut(b.version, ".")
	return major
}

func (b postgresBinaries) path(program string) string { return filepath.Join(b.dir, program) }

// binaries are the programs found on this machine.
type binaries struct {
	postgres []postgresBinaries // the preferred one first
	redis    string             // path of redis-server or valkey-server
}

// postgresFor returns the installation that can run a cluster made by PostgreSQL major, or the
// preferred one when there is no cluster yet (major is empty).
func (b binaries) postgresFor(major string) (postgresBinaries, error) {
	for _, p := range b.postgres {
		if major == "" || p.major() == major {
			return p, nil
		}
	}
	if len(b.postgres) > 0 {
		return postgresBinaries{}, fmt.Errorf("the data folder was made by PostgreSQL %s, of which only %s is installed:"+
			" install that version, or delete the folder to start afresh", major, b.postgres[0].version)
	}
	return postgresBinaries{}, errNoPostgres
}

var errNoPostgres = errors.New("no PostgreSQL found: install PostgreSQL 13 or later with its server" +
	" (Debian and Ubuntu: postgresql; Fedora and Red Hat: postgresql-server; Homebrew: postgresql@17;" +
	" Alpine: postgresql), or set DATABASE_URL to a running one")

// findBinaries looks on PATH first, then where pg_config points, then in the usual places of
// Debian, Red Hat, Alpine and Homebrew, the newest version first.
func findBinaries(ctx context.Context) binaries {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var b binaries
	for _, dir := range postgresDirs(ctx) {
		if !isProgram(filepath.Join(dir, "postgres")) || !isProgram(filepath.Join(dir, "initdb")) {
			continue
		}
		out, err := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version").Output() //nolint:gosec // a found program
		if err != nil {
			continue
		}
		if version := parsePostgresVersion(string(out)); version != "" {
			b.postgres = append(b.postgres, postgresBinaries{dir: dir, version: version})
		}
	}
	b.redis = findRedis()
	return b
}

func postgresDirs(ctx context.Context) []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	if out, err := exec.CommandContext(ctx, "pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	var usual []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql*/bin",
		"/usr/local/opt/postgresql*/bin",
	} {
		found, _ := filepath.Glob(pattern) // the only error is a malformed pattern
		usual = append(usual, found...)
	}
	slices.SortStableFunc(usual, func(a, b string) int { return versionInPath(b) - versionInPath(a) })
	seen := map[string]bool{}
	return slices.DeleteFunc(append(dirs, usual...), func(dir string) bool {
		again := seen[dir]
		seen[dir] = true
		return again
	})
}

func findRedis() string {
	for _, name := range redisNames {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{
			"/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin",
			"/opt/homebrew/opt/redis/bin", "/opt/homebrew/opt/valkey/bin",
			"/usr/local/opt/redis/bin", "/usr/local/opt/valkey/bin",
		} {
			if path := filepath.Join(dir, name); isProgram(path) {
				return path
			}
		}
	}
	return ""
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

var (
	versionPattern  = regexp.MustCompile(`\(PostgreSQL\) (\d+(?:\.\d+)?)`)
	pathNumber      = regexp.MustCompile(`postgresql[/@-]?(\d+)|pgsql-(\d+)`)
	redisVersionRow = regexp.MustCompile(`^(?:redis|valkey)_version:(\S+)`)
)

// parsePostgresVersion reads "postgres (PostgreSQL) 15.14 (Debian …)"; "" when it is not that.
func parsePostgresVersion(out string) string {
	m := versionPattern.FindStringSubmatch(out)
	if m == nil {
		return ""
	}
	return m[1]
}

// versionInPath is the major version that an installation's path tells, 0 when it tells none.
func versionInPath(path string) int {
	m := pathNumber.FindStringSubmatch(path)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1] + m[2]) // one of the two is empty
	return n
}
