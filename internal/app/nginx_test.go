//go:build compat

package app_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"evently/internal/testkit"
)

// startNginx runs nginx with deploy/nginx.conf in front of instances, and returns its address. Only addresses and the
// folders for temporary files differ.
func startNginx(t *testing.T, instances ...string) string {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	port, dir, text := freePort(t), t.TempDir(), string(conf)
	replace := func(old, by string) {
		t.Helper()
		if strings.Count(text, old) != 1 {
			t.Fatalf("deploy/nginx.conf has %q %d times", old, strings.Count(text, old))
		}
		text = strings.Replace(text, old, by, 1)
	}
	replace("listen 8080;", "listen 127.0.0.1:"+port+";")
	for n, instance := range instances {
		u, err := url.Parse(instance)
		if err != nil {
			t.Fatal(err)
		}
		replace(fmt.Sprintf("evently-%d:3000", n+1), u.Host)
	}
	temporary := "http {"
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf(" %s_temp_path %s;", kind, filepath.Join(dir, kind))
	}
	replace("http {", temporary)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	globals := "daemon off; error_log stderr; pid " + filepath.Join(dir, "pid") + ";"
	if os.Getuid() == 0 { // the workers would be a user who cannot read the folder
		globals += " user root;"
	}
	run(t, port, "nginx", "-e", "stderr", "-p", dir, "-c", file, "-g", globals)
	return "http://127.0.0.1:" + port
}

// behindNginx makes a show, and settings for instances of it that trust the proxy.
func behindNginx(t *testing.T) (b *boxOffice, settings []string) {
	t.Helper()
	database := testkit.DatabaseURL(t)
	pool := testkit.Connect(t, database)
	show := testkit.NewShow(t, pool, testkit.Show{})
	return &boxOffice{pool: pool, show: show, seats: testkit.SeatIDs(t, pool, show)}, []string{
		"DATABASE_URL=" + database, "REDIS_URL=" + testkit.RedisURL(t), "MIGRATE_ON_START=false", "TRUSTED_PROXIES=127.0.0.1/32",
	}
}

// A 503 of an instance is an answer and no reason to leave the instance alone.
func TestNginx_DatabaseAwayIsOurOwn503(t *testing.T) {
	for name, mode := range map[string]proxyMode{"refusing": refusing, "silent": silent} {
		t.Run(name, func(t *testing.T) {
			b, settings := behindNginx(t)
			database, databaseURL := newProxy(t, b.pool.Config().ConnString())
			settings = append(settings, "DATABASE_URL="+databaseURL, "APP_ENV=development", "PAYMENT_DELAY=0s", "PAYMENT_SUCCESS_RATE=1",
				"DATABASE_QUERY_TIMEOUT=2s", "RATE_LIMIT_PER_MINUTE=0", "BOOKING_RATE_LIMIT_PER_MINUTE=0", "AUTH_RATE_LIMIT_PER_MINUTE=0")
			first := start(t, settings...)
			second := startWith(t, first.cfg)
			base := startNginx(t, first.url, second.url)
			clients := startLoad(t, base, b.show, b.seats[:8], func(_ string, a answer) bool {
				return a.status == http.StatusServiceUnavailable
			})
			clients.await(t, "POST 200 ", 40)
			database.set(mode)
			clients.await(t, ".* 503 .*", 40)
			client := newCaller(t, base)
			for range 20 {
				for path, status := range map[string]int{
					"/health": http.StatusServiceUnavailable, "/health/live": http.StatusOK, "/": http.StatusOK,
					"/api-docs/": http.StatusOK, "/api-docs/openapi.json": http.StatusOK,
				} {
					got := client.call(http.MethodGet, path, nil)
					if got.status != status || path == "/health" && got.body["status"] != "DOWN" {
						t.Error(got)
					}
				}
			}
			if mode == silent {
				database.set(refusing) // closes the silent connections
			}
			database.set(passing)
			first.await(t, "/health/ready", http.StatusOK, "status", "OK")
			second.await(t, "/health/ready", http.StatusOK, "status", "OK")
			clients.stop()
			// At once, and not when nginx tries the instances again.
			for range 20 {
				if got := client.call(http.MethodGet, "/api/v1/shows", nil); got.status != http.StatusOK {
					t.Error(got)
				}
			}
			if got := registered(t, base).book(b.show, b.seats[9]); got.status != http.StatusOK {
				t.Error(got)
			}
			clients.end(t)
			b.audit(t)
		})
	}
}

// Both instances are replaced several times: what goes wrong here does so once in a few times.
func TestNginx_DrainedInstanceFailsNoRequest(t *testing.T) {
	const drains = 8
	b, settings := behindNginx(t)
	binary := buildBinary(t, filepath.Join("..", ".."))
	ports := []string{freePort(t), freePort(t)}
	instances := []*process{startProcessOn(t, ports[0], binary, settings...), startProcessOn(t, ports[1], binary, settings...)}
	base := startNginx(t, instances[0].url, instances[1].url)
	clients := startLoad(t, base, b.show, b.seats, never)
	for n := range drains {
		clients.await(t, "POST 200 ", 60)
		drained := instances[n%2]
		drained.end(syscall.SIGTERM)
		if drained.err != nil {
			t.Errorf("the drained instance ended with %v", drained.err)
		}
		clients.await(t, "POST 200 ", 20)
		instances[n%2] = startProcessOn(t, ports[n%2], binary, settings...)
	}
	clients.end(t)
	b.audit(t)
}

func TestNginx_KilledInstanceFailsNoRead(t *testing.T) {
	b, settings := behindNginx(t)
	binary := buildBinary(t, filepath.Join("..", ".."))
	first, second := startProcess(t, binary, settings...), startProcess(t, binary, settings...)
	base := startNginx(t, first.url, second.url)
	clients := startLoad(t, base, b.show, b.seats[:8], func(method string, a answer) bool {
		// What was sent may have been executed: it is the client's to repeat.
		return method == http.MethodPost && a.status == http.StatusBadGateway && a.code() == "bad_gateway"
	})
	clients.await(t, "POST 200 ", 100)
	first.end(syscall.SIGKILL)
	clients.await(t, "GET 200 ", 100)
	clients.end(t)
	for _, seat := range b.seats[8:] {
		if got := registered(t, base).book(b.show, seat); got.status != http.StatusOK {
			t.Error(got)
		}
	}
	second.end(syscall.SIGKILL)
	client := newCaller(t, base)
	// Also when there is nobody left to ask.
	for range 10 {
		got := client.call(http.MethodGet, "/api/v1/shows", nil)
		if got.status != http.StatusBadGateway || got.code() != "bad_gateway" || got.header.Get("Retry-After") != "1" {
			t.Error(got)
		}
	}
}

func TestNginx_ItsOwnErrorsAreJSON(t *testing.T) {
	base := startNginx(t, "http://127.0.0.1:"+freePort(t), "http://127.0.0.1:"+freePort(t))
	client := newCaller(t, base)
	long := strings.Repeat("a", 40_000)
	for name, tt := range map[string]struct {
		method, path string
		header, body string
		status       int
		code, retry  string
	}{
		"body":    {method: http.MethodPost, path: "/api/v1/auth/login", body: strings.Repeat("a", 2<<20), status: 413, code: "body_too_large"},
		"address": {method: http.MethodGet, path: "/" + long, status: 414, code: "uri_too_long"},
		"header":  {method: http.MethodGet, path: "/", header: long, status: 400, code: "invalid_request"},
		"method":  {method: http.MethodTrace, path: "/", status: 405, code: "method_not_allowed"},
		"inside":  {method: http.MethodGet, path: "/nginx-error", status: 404, code: "route_not_found"},
		"nobody":  {method: http.MethodGet, path: "/health", status: 502, code: "bad_gateway", retry: "1"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Test", tt.header)
		got := client.do(req)
		if got.status != tt.status || got.code() != tt.code || got.header.Get("Retry-After") != tt.retry ||
			got.header.Get("Content-Type") != "application/json; charset=utf-8" || got.body["message"] == "" ||
			got.body["request_id"] == "" || got.body["request_id"] != got.header.Get("X-Request-ID") {
			t.Errorf("%s: %v %v", name, got, got.header)
		}
	}
}
