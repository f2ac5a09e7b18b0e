package middleware

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestClientAddr_HeaderOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	clients := Clients{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Header: "CF-Connecting-IP"}
	for name, tt := range map[string]struct {
		peer, header, forwarded, want string
	}{
		"named by the proxy":              {"10.0.0.1:80", "198.51.100.7", "198.51.100.7, 203.0.113.9", "198.51.100.7"},
		"IPv6":                            {"10.0.0.1:80", "2001:db8::7", "", "2001:db8::7"},
		"named by anybody":                {"192.0.2.1:80", "198.51.100.7", "", "192.0.2.1"},
		"not an address":                  {"10.0.0.1:80", "me", "203.0.113.9", "203.0.113.9"},
		"two":                             {"10.0.0.1:80", "198.51.100.7, 198.51.100.8", "203.0.113.9", "203.0.113.9"},
		"absent":                          {"10.0.0.1:80", "", "203.0.113.9", "203.0.113.9"},
		"absent, and nobody is forwarded": {"10.0.0.1:80", "", "", "10.0.0.1"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = tt.peer
		if tt.header != "" {
			r.Header.Set("CF-Connecting-IP", tt.header)
		}
		if tt.forwarded != "" {
			r.Header.Set("X-Forwarded-For", tt.forwarded)
		}
		if got, _ := clients.clientAddr(r); got.String() != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// Behind two proxies of which one is trusted the other is taken for the client of everybody.
func TestProxyCheck_WarnsOfOneProxyForAll(t *testing.T) {
	t.Parallel()
	run := func(edge func(n int) string, visitors int) int {
		var log bytes.Buffer
		clients := Clients{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Log: slog.New(slog.NewTextHandler(&log, nil))}
		handler := Identify(clients)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for n := range 4 * proxyWindow {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = "10.0.0.1:80"
			r.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d, %s", n%visitors, edge(n)))
			handler.ServeHTTP(httptest.NewRecorder(), r)
		}
		return strings.Count(log.String(), "not trusted")
	}
	one := func(int) string { return "203.0.113.9" }
	if n := run(one, 200); n != 1 {
		t.Errorf("%d warnings about one edge for 200 visitors, want 1", n)
	}
	if n := run(one, 3); n != 0 {
		t.Errorf("%d warnings about a proxy of three visitors", n)
	}
	if n := run(func(n int) string { return fmt.Sprintf("203.0.113.%d", n%100) }, 200); n != 0 {
		t.Errorf("%d warnings about 100 clients that forward", n)
	}
}
