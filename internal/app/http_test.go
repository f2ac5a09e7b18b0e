package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"evently/api/apitest"
)

func TestRoutes_AreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	var routes []string
	router, ok := start(t).Handler().(chi.Routes)
	if !ok {
		t.Fatal("the handler is not a router")
	}
	if err := chi.Walk(router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if !apitest.IsDocumentation(route) {
			routes = append(routes, method+" "+route)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(routes)
	if diff := cmp.Diff(apitest.Routes(), routes); diff != "" {
		t.Errorf("(-document +router):\n%s", diff)
	}
}

func TestRoutes_UnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	i := start(t)
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/nope", 404, ""},
		{"GET", "/api", 404, ""},
		{"GET", "/api/v1", 404, ""},
		{"GET", "/api/v1/", 404, ""},
		{"GET", "/api/v1/shows/", 404, ""},
		{"GET", "/api/v1//shows", 404, ""},
		{"GET", "//api/v1/shows", 404, ""},
		{"GET", "/api/v1/SHOWS", 404, ""},
		{"GET", "/api/v1/admin/nope", 404, ""},
		{"GET", "/health/", 404, ""},
		{"GET", "/%2e%2e/etc/passwd", 404, ""},
		{"GET", "/api/v1/shows%2f1", 404, ""},
		{"GET", "/%00", 404, ""},
		{"GET", "/%ff%fe", 404, ""},
		{"GET", "/" + strings.Repeat("a/", 4000), 404, ""},
		{"BREW", "/nope", 404, ""},
		{"BREW", "/api/v1/shows", 405, "GET, HEAD"},
		{"POST", "/api/v1/shows", 405, "GET, HEAD"},
		{"PATCH", "/api/v1/shows/1", 405, "GET, HEAD"},
		{"GET", "/api/v1/auth/login", 405, "POST"},
		{"HEAD", "/api/v1/auth/login", 405, "POST"},
		{"OPTIONS", "/api/v1/shows", 405, "GET, HEAD"},
		{"PATCH", "/api/v1/admin/venues/1", 405, "GET, HEAD, PUT, DELETE"},
		{"POST", "/health", 405, "GET, HEAD"},
		{"DELETE", "/", 405, "GET, HEAD"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %.40s", tt.method, tt.path), func(t *testing.T) {
			t.Parallel()
			got := i.send(t, request{method: tt.method, path: tt.path})
			code := map[int]string{404: "route_not_found", 405: "method_not_allowed"}[tt.status]
			if tt.method == http.MethodHead {
				code = "" // no body
			}
			got.want(t, tt.status, code)
			if allow := got.header.Get("Allow"); allow != tt.allow {
				t.Errorf("Allow: %q, want %q", allow, tt.allow)
			}
		})
	}
}

func TestRoutes_InvalidIDIsABadParameter(t *testing.T) {
	t.Parallel()
	i := start(t)
	for _, id := range []string{"0", "-1", "1.5", "9223372036854775808", "%00", "%ff", "a%2fb", "1%20", "%25", "'", "1;--", "%F0%9F%8E%AD"} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			i.send(t, request{path: "/api/v1/shows/" + id}).want(t, http.StatusBadRequest, "invalid_parameter")
		})
	}
}

func TestRoutes_UnknownQueryParametersAreIgnored(t *testing.T) {
	t.Parallel()
	i := start(t)
	admin := i.admin(t)
	for _, path := range []string{"/api/v1/shows", "/api/v1/shows/search", "/api/v1/user/bookings", "/api/v1/admin/users", "/api/v1/admin/analytics", "/health"} {
		i.send(t, request{path: path + "?lmit=0&time-range=x", token: admin}).want(t, http.StatusOK, "")
	}
}

func TestHead_IsGetWithoutABody(t *testing.T) {
	t.Parallel()
	i := start(t)
	for _, path := range []string{"/", "/health/live", "/api/v1/shows", "/api-docs/openapi.json"} {
		// By default the client requests gzip for GET only, and then hides the length.
		plain := map[string]string{"Accept-Encoding": "identity"}
		get := i.send(t, request{path: path, header: plain}).want(t, http.StatusOK, "")
		head := i.send(t, request{method: http.MethodHead, path: path, header: plain}).want(t, http.StatusOK, "")
		if len(head.raw) != 0 || head.header.Get("Content-Length") != get.header.Get("Content-Length") {
			t.Errorf("%s: %d bytes, Content-Length %s, want that of GET: %s", path, len(head.raw),
				head.header.Get("Content-Length"), get.header.Get("Content-Length"))
		}
	}
}

func TestWelcome_LinksWork(t *testing.T) {
	t.Parallel()
	i := start(t)
	got := i.send(t, request{path: "/"}).want(t, http.StatusOK, "")
	for _, name := range []string{"documentation", "openapi", "health", "shows"} {
		link := got.text(t, "links."+name)
		if got := i.send(t, request{path: link}).status; got != http.StatusOK {
			t.Errorf("link %s to %s: status %d", name, link, got)
		}
	}
}

func TestRequestID_IsInResponseAndLog(t *testing.T) {
	t.Parallel()
	i := start(t)
	got := i.send(t, request{path: "/api/v1/shows/1", header: map[string]string{"X-Request-ID": "abc-123"}}).
		want(t, http.StatusNotFound, "show_not_found")
	if got.header.Get("X-Request-ID") != "abc-123" || got.body["request_id"] != "abc-123" {
		t.Errorf("header %q, body %q", got.header.Get("X-Request-ID"), got.body["request_id"])
	}
	got = i.send(t, request{path: "/api/v1/shows/1", header: map[string]string{"X-Request-ID": "not safe"}})
	if id := got.header.Get("X-Request-ID"); id == "not safe" || id != got.body["request_id"] {
		t.Errorf("header %q, body %q", id, got.body["request_id"])
	}
	found := 0
	for _, line := range i.logged(t, "request") {
		if line["request_id"] == "abc-123" {
			found++
			if line["route"] != "/api/v1/shows/{show_id}" || line["status"] != 404.0 || line["client_ip"] != "127.0.0.1" {
				t.Errorf("logged %v", line)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d lines of the request, want 1", found)
	}
}

func TestAccessLog_HasTheUser(t *testing.T) {
	t.Parallel()
	i := start(t)
	token := i.register(t, "user@example.com")
	got := i.send(t, request{path: "/api/v1/user/bookings", token: token}).want(t, http.StatusOK, "")
	if got := got.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", got)
	}
	lines := i.logged(t, "request")
	if id, ok := lines[len(lines)-1]["user_id"].(float64); !ok || id < 1 {
		t.Errorf("logged %v", lines[len(lines)-1])
	}
	if strings.Contains(i.log.String(), token) || strings.Contains(i.log.String(), "password of") {
		t.Error("a secret is in the log")
	}
}

func TestBodies_AreLimited(t *testing.T) {
	t.Parallel()
	i := start(t)
	big := func(size int) string { return `{"email":"` + strings.Repeat("a", size) + `"}` }
	user := i.user(t, "user@example.com")
	for route, limit := range map[string]int{
		"POST /api/v1/auth/login": 8 << 10, "POST /api/v1/auth/register": 8 << 10, "PUT /api/v1/auth/password": 8 << 10,
		"DELETE /api/v1/auth/me": 8 << 10, "POST /api/v1/bookings/lock": 64 << 10,
	} {
		method, path, _ := strings.Cut(route, " ")
		in := request{method: method, path: path, token: user, body: big(limit)}
		i.send(t, in).want(t, http.StatusRequestEntityTooLarge, "body_too_large")
		in.body = big(limit - 100)
		if got := i.send(t, in); got.status != http.StatusBadRequest {
			t.Errorf("%s with a long body: %s", route, got.raw)
		}
	}
	i.send(t, request{method: "POST", path: "/api/v1/auth/login", body: `{"email":"a@b.example","password":"x"}`,
		header: map[string]string{"Content-Type": "text/plain"}}).
		want(t, http.StatusUnsupportedMediaType, "unsupported_media_type")
	i.send(t, request{path: "/", header: map[string]string{"X-Request-ID": "still-there"}}).want(t, http.StatusOK, "")
}

func TestBodies_BeyondTheirMemoryAreRefused(t *testing.T) {
	t.Parallel()
	i := start(t, "MAX_BODY_BYTES_IN_FLIGHT=400") // 100 bytes for each address
	login := func(password string) response {
		return i.send(t, request{method: "POST", path: "/api/v1/auth/login",
			body: map[string]any{"email": "a@example.com", "password": password}})
	}
	for range 3 {
		got := login(strings.Repeat("x", 100)).want(t, http.StatusServiceUnavailable, "overloaded")
		if got.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		login("x").want(t, http.StatusUnauthorized, "invalid_credentials")
	}
}

// net/http itself refuses what it cannot parse, and closes the connection.
func TestServer_MalformedRequests(t *testing.T) {
	t.Parallel()
	i := start(t, "HTTP_MAX_HEADER_BYTES=4096")
	for name, tt := range map[string]struct {
		request string
		status  int
	}{
		"headers too large":     {"GET / HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("a", 16<<10) + "\r\n\r\n", 431},
		"not HTTP":              {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400},
		"two hosts":             {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
		"two lengths":           {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
		"OPTIONS of the server": {"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := dial(t, i.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, tt.request); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != tt.status || !resp.Close {
				t.Errorf("%s, close %t, want %d", resp.Status, resp.Close, tt.status)
			}
		})
	}
}

func TestServer_ConnectionsAreLimited(t *testing.T) {
	t.Parallel()
	i := start(t, "MAX_CONNECTIONS=1")
	served := func() bool {
		conn, err := dial(t, i.Addr())
		if err != nil {
			return false
		}
		t.Cleanup(func() { _ = conn.Close() })
		_, _ = io.WriteString(conn, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n") // fails if the server was faster
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		return err == nil && resp.Body.Close() == nil
	}
	if first, second := served(), served(); !first || second {
		t.Errorf("the first connection was served: %t, the second: %t", first, second)
	}
}

func TestCORS_OnlyForConfiguredOrigins(t *testing.T) {
	t.Parallel()
	i := start(t, "CORS_ALLOWED_ORIGINS=https://app.example.com")
	for origin, want := range map[string]string{"https://app.example.com": "https://app.example.com", "https://evil.example": ""} {
		got := i.send(t, request{path: "/api/v1/shows", header: map[string]string{"Origin": origin}})
		if got := got.header.Get("Access-Control-Allow-Origin"); got != want {
			t.Errorf("%s: allowed %q, want %q", origin, got, want)
		}
	}
}
