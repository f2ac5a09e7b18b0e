package devstack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// redisDatabases is how many numbered databases the server offers: tests take one each.
const redisDatabases = 1024

// redisProcess is a running redis-server or valkey-server.
type redisProcess struct {
	proc    *process
	version string
}

// startRedis runs a Redis that keeps nothing on disk (it holds what may be lost), or the embedded
// stand-in when there is no program for it.
func (s *Stack) startRedis(ctx context.Context, bins binaries, st *state) error {
	if st.Redis.Password == "" {
		st.Redis.Password = newPassword()
	}
	password := st.Redis.Password
	if bins.redis == "" {
		s.opts.Log.Warn("no Redis found and none could be installed: an embedded stand-in serves instead")
		e, err := startEmbeddedRedis(ctx, password)
		if err != nil {
			return err
		}
		s.redis, s.RedisEmbedded, s.RedisURL = e, true, redisURL(e.port, password)
		return nil
	}
	st.Redis.Dir = filepath.Join(s.opts.Dir, "redis")
	if err := os.MkdirAll(st.Redis.Dir, 0o700); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		port, err := choosePort(ctx, st.Redis.Port)
		if err != nil {
			return err
		}
		st.Redis.Port = port
		r, err := s.tryRedis(ctx, bins.redis, password, st)
		if err == nil {
			s.redis, s.RedisVersion, s.RedisURL = r, r.version, redisURL(port, password)
			return nil
		}
		if ctx.Err() != nil || attempt == portAttempts || portIsFree(ctx, port) {
			return err
		}
		st.Redis.Port = 0
	}
}

func (s *Stack) tryRedis(ctx context.Context, path, password string, st *state) (*redisProcess, error) {
	// In a file and not on the command line, where everybody could read the password.
	conf := filepath.Join(st.Redis.Dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(redisConf(st.Redis.Port, password)), 0o600); err != nil {
		return nil, err
	}
	logPath := filepath.Join(s.opts.Dir, "redis.log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }() // the child has its own descriptor
	onParentDeath := syscall.SIGKILL       // it has nothing to write
	if s.opts.outliveParent {
		onParentDeath = 0
	}
	proc, err := s.spawner.spawn(command{
		name: "Redis", path: path, args: []string{conf}, dir: st.Redis.Dir, logFile: logFile,
		onParentDeath: onParentDeath,
	}, s.opts.Log)
	if err != nil {
		return nil, err
	}
	r := &redisProcess{proc: proc}
	st.Redis.PID = proc.pid()
	err = st.save()
	if err == nil {
		err = waitReady(ctx, proc, func(ctx context.Context) (err error) {
			r.version, err = askRedisVersion(ctx, st.Redis.Port, password)
			return err
		})
	}
	if err != nil {
		stopErr := r.stop(context.WithoutCancel(ctx))
		return nil, errors.Join(fmt.Errorf("redis did not start: %w\n%s", err, tailFile(logPath)), stopErr)
	}
	return r, nil
}

func (r *redisProcess) stop(ctx context.Context) error {
	return r.proc.stop(ctx, stopStep{syscall.SIGTERM, 5 * time.Second})
}

func redisConf(port int, password string) string {
	return fmt.Sprintf(`bind 127.0.0.1
port %d
requirepass %s
databases %d
daemonize no
save ""
appendonly no
`, port, password, redisDatabases)
}

func redisURL(port int, password string) string {
	u := url.URL{
		Scheme: "redis",
		User:   url.UserPassword("", password),
		Host:   "127.0.0.1:" + strconv.Itoa(port),
		Path:   "/0",
	}
	return u.String()
}

// askRedisVersion doubles as the readiness check. The password makes sure that it is our Redis
// which answers, and not one that took the port. It speaks the protocol itself: a client library
// brings a pool, retries and log lines that a question to a server which is not there yet, or no
// longer, does not need.
func askRedisVersion(ctx context.Context, port int, password string) (string, error) {
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp4", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }() // only read from
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nINFO server\r\n", password); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(conn)
	for n := 0; lines.Scan(); n++ {
		line := lines.Text()
		if strings.HasPrefix(line, "-") || (n == 0 && line != "+OK") {
			return "", fmt.Errorf("redis answers %q", line)
		}
		if m := redisVersionRow.FindStringSubmatch(line); m != nil {
			return m[1], nil
		}
	}
	return "", errors.Join(errors.New("the server does not tell its version"), lines.Err())
}
