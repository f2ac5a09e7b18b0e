package app_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
)

// proxy stands between an instance and a store, and can take the store away.
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
	silent // connections are taken, and nothing is ever answered
)

// newProxy gives a proxy in front of the store at storeURL, and the URL to use instead.
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

// set changes what happens to connections; those that are there are cut off, or fall silent.
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
		_ = conn.Close() // a store that hangs up is seen to do so
	})
	p.pump(store, conn)
}

// keep notes an open connection, or closes it when none are wanted.
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

// pump copies until an end; in silence it takes everything and passes on nothing.
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
