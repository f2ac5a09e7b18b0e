package chaos_test

import (
	"net"
	"net/url"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
)

// link is one instance's connection to one store, through toxiproxy.
type link struct {
	t        *testing.T
	server   *toxiproxy.ApiServer
	name     string
	listen   string
	upstream string
	proxy    *toxiproxy.Proxy
}

// newLink opens a link to a store and returns the URL that goes through it.
func newLink(t *testing.T, server *toxiproxy.ApiServer, name, storeURL string) (l *link, through string) {
	t.Helper()
	u, err := url.Parse(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	l = &link{t: t, server: server, name: name, listen: "127.0.0.1:" + freePort(t), upstream: u.Host}
	l.open()
	t.Cleanup(l.cut)
	u.Host = l.listen
	return l, u.String()
}

// cut breaks every connection and accepts no new one.
func (l *link) cut() { l.proxy.Stop() }

// open replaces the proxy: removing a toxic from one that is in use can take minutes.
func (l *link) open() {
	l.proxy = toxiproxy.NewProxy(l.server, l.name, l.listen, l.upstream)
	if err := l.proxy.Start(); err != nil {
		l.t.Errorf("open the link to %s: %v", l.name, err)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
