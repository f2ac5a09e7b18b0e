package devstack

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	pgUser     = "evently"
	pgDatabase = "evently"

	// portAttempts is how often a store is started again because its port was taken between our
	// choice and its bind.
	portAttempts = 5
	// readyPoll is how often a starting store is asked whether it answers.
	readyPoll = 20 * time.Millisecond
	// lingerWait is how long to keep trying while the backends of a killed server still run.
	lingerWait = 10 * time.Second
)

// postgres is a running server.
type postgres struct {
	proc *process
	url  string
}

// startPostgres runs the cluster of this folder, creating it first when there is none.
func (s *Stack) startPostgres(ctx context.Context, bins binaries, st *state) error {
	acct, err := postgresAccount()
	if err != nil {
		return err
	}
	if st.Postgres.Home == "" {
		st.Postgres.Home, err = newPostgresHome(ctx, s.opts.Dir, acct, s.opts.Log)
		if err != nil {
			return err
		}
		st.Postgres.Password = newPassword()
	}
	data := filepath.Join(st.Postgres.Home, clusterName)
	major, err := clusterVersion(data)
	if err != nil {
		return err
	}
	bin, err := bins.postgresFor(major)
	if err != nil {
		return err
	}
	// Before the cluster exists: whoever comes after a crash must know the place and the password.
	if err := st.save(); err != nil {
		return err
	}
	fresh := major == ""
	if fresh {
		s.opts.Log.Info("creating a PostgreSQL cluster", "version", bin.version, "dir", data)
		if err := createCluster(ctx, bin, acct, st, s.opts.Ephemeral); err != nil {
			return err
		}
	}
	if err := s.runPostgres(ctx, bin, acct, data, st); err != nil {
		return err
	}
	s.DatabaseURL, s.PostgresVersion, s.PostgresDataDir = s.postgres.url, bin.version, data
	return ensureDatabase(ctx, st)
}

func (s *Stack) runPostgres(ctx context.Context, bin postgresBinaries, acct *account, data string, st *state) error {
	logPath := filepath.Join(s.opts.Dir, "postgres.log")
	deadline := time.Now().Add(lingerWait)
	taken := 0
	for {
		port, err := choosePort(ctx, st.Postgres.Port)
		if err != nil {
			return err
		}
		st.Postgres.Port = port
		if err := st.save(); err != nil {
			return err
		}
		s.postgres, err = s.tryPostgres(ctx, bin, acct, data, logPath, st)
		if err == nil || ctx.Err() != nil {
			return err
		}
		switch {
		case !portIsFree(ctx, port) && taken < portAttempts:
			taken++
			st.Postgres.Port = 0
		case time.Now().Before(deadline) && logSays(logPath, "is still in use"):
			// Backends of a killed server keep its shared memory until they notice.
			if err := pause(ctx, 10*readyPoll); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// tryPostgres starts the server once and waits until it answers; it leaves no process otherwise.
func (s *Stack) tryPostgres(ctx context.Context, bin postgresBinaries, acct *account, data, logPath string, st *state) (*postgres, error) {
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }() // the child has its own descriptor
	onParentDeath := syscall.SIGINT
	if s.opts.Ephemeral {
		onParentDeath = syscall.SIGQUIT
	}
	if s.opts.outliveParent {
		onParentDeath = 0
	}
	proc, err := s.spawner.spawn(command{
		name: "PostgreSQL", path: bin.path("postgres"), args: serverArgs(data, st.Postgres.Port, s.opts.Ephemeral),
		dir: data, logFile: logFile, user: acct, onParentDeath: onParentDeath,
	}, s.opts.Log)
	if err != nil {
		return nil, err
	}
	p := &postgres{proc: proc, url: databaseURL(st, pgDatabase)}
	// The maintenance database exists from initdb on; ours may have to be created.
	ready := func(ctx context.Context) error { return pingPostgres(ctx, databaseURL(st, "postgres")) }
	if err := waitReady(ctx, proc, ready); err != nil {
		stopErr := p.stop(context.WithoutCancel(ctx))
		return nil, errors.Join(fmt.Errorf("PostgreSQL did not start: %w\n%s", err, tailFile(logPath)), stopErr)
	}
	return p, nil
}

// stop is a fast shutdown: open transactions are rolled back, the data is written, no client is
// waited for. A server that does not manage is made to quit as in a crash.
func (p *postgres) stop(ctx context.Context) error {
	return p.proc.stop(ctx, stopStep{syscall.SIGINT, 10 * time.Second}, stopStep{syscall.SIGQUIT, 5 * time.Second})
}

// serverArgs are the settings of the server. They are given at each start instead of being
// written into the cluster, so that a newer program brings its own to an old folder.
func serverArgs(data string, port int, ephemeral bool) []string {
	args := []string{"-D", data}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", "127.0.0.1")
	set("port", strconv.Itoa(port))
	// No socket: its path would be limited to 107 bytes, and TCP on loopback is enough.
	set("unix_socket_directories", "")
	set("timezone", "UTC")
	set("log_timezone", "UTC")
	set("logging_collector", "off")
	set("log_destination", "stderr")
	set("log_line_prefix", "%m [%p] %q%d ")
	set("jit", "off") // compiling a plan costs more than any query here takes
	if !ephemeral {
		set("max_connections", "100")
		return args
	}
	set("max_connections", "300")
	set("fsync", "off")
	set("synchronous_commit", "off")
	set("full_page_writes", "off")
	set("autovacuum", "off")
	set("wal_level", "minimal")
	set("max_wal_senders", "0")
	return args
}

func databaseURL(st *state, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(pgUser, st.Postgres.Password),
		Host:     "127.0.0.1:" + strconv.Itoa(st.Postgres.Port),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

func pingPostgres(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

// ensureDatabase creates our database where it is missing: in a new cluster, or in one whose
// first start died between initdb and here.
func ensureDatabase(ctx context.Context, st *state) (err error) {
	conn, err := pgx.Connect(ctx, databaseURL(st, "postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var exists bool
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, pgDatabase).Scan(&exists)
	if err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{pgDatabase}.Sanitize())
	return err
}
