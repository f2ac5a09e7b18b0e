//go:build compat

package app_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/app"
	"evently/internal/rediskit"
	"evently/internal/service"
	"evently/internal/telemetry"
	"evently/internal/testkit"
)

func bookAndRace(t *testing.T, settings ...string) *boxOffice {
	t.Helper()
	direct := testkit.DatabaseURL(t)
	all := []string{"DATABASE_URL=" + direct, "REDIS_URL=" + testkit.RedisURL(t), "DATABASE_QUERY_TIMEOUT=30s", "DATABASE_ACQUIRE_TIMEOUT=30s"}
	for _, setting := range settings {
		all = append(all, strings.ReplaceAll(setting, "{database}", strings.TrimPrefix(path(t, direct), "/")))
	}
	i := start(t, all...)
	pool := testkit.Connect(t, direct)
	show := testkit.NewShow(t, pool, testkit.Show{})
	b := &boxOffice{instance: i, pool: pool, show: show, seats: testkit.SeatIDs(t, pool, show)}
	second := &boxOffice{instance: startWith(t, i.cfg), pool: pool, show: show, seats: b.seats}

	b.await(t, "/health", http.StatusOK, "status", "OK")
	b.await(t, "/health/schema", http.StatusOK, "status", "OK")
	crowd := b.users(t, 50)
	responses := atOnce(len(crowd), func(n int) response {
		return []*boxOffice{b, second}[n%2].lock(t, crowd[n], b.seats[0], b.seats[1])
	})
	if diff := cmp.Diff(map[string]int{"200 ": 1, "409 seats_unavailable": 49}, responses); diff != "" {
		t.Error(diff)
	}
	for _, seat := range b.seats[2:8] { // pgx may prepare repeated statements
		c := b.customer(t)
		booking := bookingOf(c.post(t, "lock", "k", c.lockBody(seat)).want(t, http.StatusOK, ""))
		c.pay(t, booking, 1)
		c.post(t, bookingPath(booking, "confirm"), "k", nil).want(t, http.StatusOK, "")
		second.customer(t).post(t, bookingPath(booking, "cancel"), "", nil).want(t, http.StatusNotFound, "booking_not_found")
		c.send(t, request{path: "/api/v1/user/bookings", token: c.token}).want(t, http.StatusOK, "")
		c.post(t, bookingPath(booking, "cancel"), "k", nil).want(t, http.StatusOK, "")
	}
	expired := b.customer(t)
	testkit.Expire(t, pool, expired.hold(t, b.seats[9]))
	if n, err := b.Services().Bookings.ExpireDue(t.Context()); n != 1 || err != nil {
		t.Errorf("%d holds expired, %v", n, err)
	}
	admin := b.admin(t)
	for _, path := range []string{
		"/api/v1/shows", "/api/v1/shows/search?venue=v&availability=available&time_range=2020-01-01,", "/api/v1/admin/analytics",
		"/api/v1/admin/venues", fmt.Sprintf("/api/v1/shows/%d/seats", show), fmt.Sprintf("/api/v1/admin/waiting-rooms/%d", show),
	} {
		b.send(t, request{path: path, token: admin}).want(t, http.StatusOK, "")
	}
	queue(t, b, admin)
	b.audit(t)
	return b
}

func queue(t *testing.T, b *boxOffice, admin string) {
	t.Helper()
	show := testkit.NewShow(t, b.pool, testkit.Show{})
	room := &boxOffice{instance: b.instance, pool: b.pool, show: show, seats: testkit.SeatIDs(t, b.pool, show)}
	room.send(t, request{method: http.MethodPut, path: fmt.Sprintf("/api/v1/admin/waiting-rooms/%d", show), token: admin,
		body: map[string]any{"max_concurrent_users": 1}}).want(t, http.StatusOK, "")
	first, second := room.customer(t), room.customer(t)
	booking := first.hold(t, room.seats[0])
	second.post(t, "lock", "", second.lockBody(room.seats[1])).want(t, http.StatusTooManyRequests, "waiting_room")
	stream := room.events(t, second.token)
	awaitEvent(t, stream, `"status":"waiting"`)
	first.pay(t, booking, 1)
	first.post(t, bookingPath(booking, "confirm"), "", nil).want(t, http.StatusOK, "")
	awaitEvent(t, stream, `"status":"admitted"`)
	second.hold(t, room.seats[1])
}

func path(t *testing.T, storeURL string) string {
	t.Helper()
	u, err := url.Parse(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

func run(t *testing.T, port string, name string, args ...string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("make test-compat installs it: %v", err)
	}
	cmd := exec.Command(program, args...)
	logPath := filepath.Join(t.TempDir(), name+".log")
	logFile, err := os.Create(logPath)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = logFile.Close()
		if t.Failed() {
			text, _ := os.ReadFile(logPath)
			t.Logf("%s:\n%s", name, text)
		}
	})
	eventually(t, name, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func TestBehindPgBouncerInTransactionMode(t *testing.T) {
	server, err := url.Parse(testkit.DatabaseURL(t))
	if err != nil {
		t.Fatal(err)
	}
	password, _ := server.User.Password()
	port, dir := freePort(t), t.TempDir()
	ini := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(ini, fmt.Appendf(nil, `[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 5
max_client_conn = 200
`, server.Hostname(), server.Port(), server.User.Username(), password, port), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{ini}
	if os.Getuid() == 0 { // pgbouncer refuses to run as root
		for at := dir; at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		args = []string{"-u", "nobody", ini}
	}
	run(t, port, "pgbouncer", args...)
	cfg := configure(t, "DATABASE_URL=postgres://evently@127.0.0.1:"+port+strings.TrimSuffix(server.Path, "/")+"?sslmode=disable", "MIGRATE_ON_START=false")
	_, err = app.New(t.Context(), app.Options{Config: cfg, Log: telemetry.NewLogger(cfg, io.Discard)})
	if err == nil || !strings.Contains(err.Error(), "default_query_exec_mode=exec") || !strings.Contains(err.Error(), "unsupported startup parameter") {
		t.Errorf("without the parameter: %v", err)
	}
	bookAndRace(t, "DATABASE_MAX_CONNS=20", "MIGRATE_ON_START=false",
		"DATABASE_URL=postgres://evently@127.0.0.1:"+port+"/{database}?sslmode=disable&default_query_exec_mode=exec")
}

func TestOnARedisCluster(t *testing.T) {
	var addresses, urls []string
	for range 3 {
		port := freePort(t)
		run(t, port, "redis-server", "--port", port, "--cluster-enabled", "yes", "--save", "", "--dir", t.TempDir(), "--bind", "127.0.0.1")
		addresses, urls = append(addresses, "127.0.0.1:"+port), append(urls, "redis://127.0.0.1:"+port)
	}
	args := append([]string{"--cluster", "create"}, addresses...)
	if out, err := exec.CommandContext(t.Context(), "redis-cli", append(args, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addresses})
	t.Cleanup(func() { _ = cluster.Close() })
	eventually(t, "the cluster", func() bool {
		for _, address := range addresses {
			node := redis.NewClient(&redis.Options{Addr: address})
			info, err := node.ClusterInfo(context.Background()).Result()
			_ = node.Close()
			if err != nil || !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:3") {
				return false
			}
		}
		return true
	})
	b := bookAndRace(t, "REDIS_URL="+strings.Join(urls, ","), "REDIS_TIMEOUT=5s")
	client, err := rediskit.Open(b.cfg.Redis.URL.Parts(), rediskit.Options{Timeout: b.cfg.Redis.Timeout})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	key := fmt.Sprintf("seat_lock:{%d}:%d", b.show, b.seats[9])
	if err := client.Set(t.Context(), key, "of nobody", time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	report, err := app.NewAudit(b.cfg, b.pool, client, service.AuditRules{Grace: time.Minute, Settle: time.Millisecond, Limit: 9}).
		Run(t.Context(), func(string) {})
	if err != nil || len(report.Violations) == 0 {
		t.Errorf("%v, %v", report, err)
	}
}

func TestTLSToBothStores(t *testing.T) {
	dir := t.TempDir()
	authority := certificates(t, dir)
	// Go reads SSL_CERT_FILE once per process.
	t.Setenv("SSL_CERT_FILE", authority)

	port := freePort(t)
	run(t, port, "redis-server", "--port", "0", "--tls-port", port, "--tls-auth-clients", "no", "--save", "", "--dir", dir, "--bind", "127.0.0.1",
		"--tls-cert-file", filepath.Join(dir, "server.crt"), "--tls-key-file", filepath.Join(dir, "server.key"), "--tls-ca-cert-file", authority)

	base := testkit.DatabaseURL(t)
	admin := testkit.Connect(t, base)
	data := testkit.Value[string](t, admin, `SHOW data_directory`)
	for _, name := range []string{"server.crt", "server.key"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(data, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			postgres, err := user.Lookup("postgres")
			if err != nil {
				t.Fatal(err)
			}
			uid, _ := strconv.Atoi(postgres.Uid)
			gid, _ := strconv.Atoi(postgres.Gid)
			if err := os.Chown(filepath.Join(data, name), uid, gid); err != nil {
				t.Fatal(err)
			}
		}
	}
	testkit.Exec(t, admin, `ALTER SYSTEM SET ssl = on`)
	testkit.Exec(t, admin, `SELECT pg_reload_conf()`)
	server, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	secure := func(sslmode string) string {
		u := *server
		u.RawQuery = url.Values{"sslmode": {sslmode}, "sslrootcert": {authority}}.Encode()
		u.Path = "/{database}"
		return strings.NewReplacer("%7B", "{", "%7D", "}").Replace(u.String())
	}
	b := bookAndRace(t, "DATABASE_URL="+secure("verify-full"), "REDIS_URL=rediss://127.0.0.1:"+port, "REDIS_TIMEOUT=5s")
	if n := testkit.Value[int](t, b.pool, `
		SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
		WHERE application_name = 'evently' AND datname = current_database() AND ssl`); n == 0 {
		t.Error("no connection of the service is encrypted")
	}
}

func certificates(t *testing.T, dir string) string {
	t.Helper()
	issue := func(name string, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signer == nil {
			parent, signer = template, key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for suffix, block := range map[string]*pem.Block{
			".crt": {Type: "CERTIFICATE", Bytes: der}, ".key": {Type: "PRIVATE KEY", Bytes: secret},
		} {
			if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return certificate, key
	}
	until := time.Now().Add(time.Hour)
	authority, signer := issue("authority", &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	issue("server", &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, authority, signer)
	return filepath.Join(dir, "authority.crt")
}
