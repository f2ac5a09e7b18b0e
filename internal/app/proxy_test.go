package app_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy is a TCP proxy in front of a store that can simulate an outage.
type proxy struct {
	listener net.Listener
	target   string
	ctx      context.Context // of what it dials

	mu     sync.Mutex
	mode   proxyMode
	conns  map[net.Conn]bool
	served sync.WaitGroup
}

type proxyMode int

const (
	passing proxyMode = iota
	refusing
	silent // accepts connections and never responds
)

// newProxy returns a proxy in front of the store at storeURL, and its own URL.
func newProxy(t testing.TB, storeURL string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(storeURL)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{ctx: context.WithoutCancel(t.Context()), target: u.Host, conns: map[net.Conn]bool{}}
	if p.listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	u.Host = p.listener.Addr().String()
	p.served.Go(p.accept)
	t.Cleanup(func() {
		_ = p.listener.Close()
		p.set(refusing)
		p.served.Wait()
	})
	return p, u.String()
}

// set changes the mode, for open connections too.
func (p *proxy) set(mode proxyMode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = mode
	if mode == refusing {
		for conn := range p.conns {
			_ = conn.Close()
		}
	}
}

func (p *proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.served.Go(func() { p.serve(conn) })
	}
}

func (p *proxy) serve(conn net.Conn) {
	if !p.keep(conn) {
		return
	}
	defer p.drop(conn)
	store, err := new(net.Dialer).DialContext(p.ctx, "tcp", p.target)
	if err != nil || !p.keep(store) {
		return
	}
	defer p.drop(store)
	p.served.Go(func() {
		p.pump(conn, store)
		_ = store.Close()
		_ = conn.Close()
	})
	p.pump(store, conn)
}

func (p *proxy) keep(conn net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mode == refusing {
		_ = conn.Close()
		return false
	}
	p.conns[conn] = true
	return true
}

func (p *proxy) drop(conn net.Conn) {
	_ = conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
}

// pump copies until either side is closed. In mode silent it discards.
func (p *proxy) pump(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		p.mu.Lock()
		quiet := p.mode == silent
		p.mu.Unlock()
		if quiet {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
