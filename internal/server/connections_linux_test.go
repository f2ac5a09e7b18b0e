package server

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// serve serves handler until the test ends. Clients that accept nothing for a second are disconnected.
func serve(t *testing.T, handler http.Handler, maxConnections int, closed chan<- struct{}) net.Addr {
	t.Helper()
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	inner := &http.Server{Handler: handler, WriteTimeout: time.Second, ReadHeaderTimeout: time.Minute}
	if closed != nil {
		inner.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed <- struct{}{}
			}
		}
	}
	server := New(listener, inner, maxConnections, slog.New(slog.DiscardHandler))
	ended := make(chan error, 1)
	go func() { ended <- server.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(inner.Close(), server.Shutdown(t.Context()), <-ended); err != nil && !errors.Is(err, t.Context().Err()) {
			t.Error(err)
		}
	})
	return server.Addr()
}

// ask connects as a client with a small receive buffer, and sends a request.
func ask(t *testing.T, addr net.Addr) net.Conn {
	t.Helper()
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) {
			if err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096); err != nil {
				t.Error(err)
			}
		})
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func await(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatalf("timed out waiting for %s", what)
	}
}

// The response fits into the buffer of the kernel, so its handler ends at once, and no timeout of net/http is left.
func TestServer_ResponseThatIsNotReadIsDropped(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{}, 1)
	ask(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, sendBuffer/2))
	}), 0, closed))
	await(t, "the connection to be closed", closed)
}

func TestServer_StreamThatIsNotReadEnds(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	ask(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		connection := http.NewResponseController(w)
		for event := make([]byte, 1024); ; {
			_ = connection.SetWriteDeadline(time.Now().Add(time.Hour))
			if _, err := w.Write(event); err != nil || connection.Flush() != nil {
				return
			}
		}
	}), 0, nil))
	await(t, "the stream to end", ended)
}

// What a client does not read is not copied either: the kernel keeps a bounded part of it.
func TestServer_LargeResponseIsNotBuffered(t *testing.T) {
	t.Parallel()
	const chunk, chunks = 64 << 10, 64
	written := make(chan int, 1)
	ask(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := 0
		for range chunks {
			more, err := w.Write(make([]byte, chunk))
			n += more
			if err != nil {
				break
			}
		}
		written <- n
	}), 0, nil))
	if got := <-written; got > 4*sendBuffer {
		t.Errorf("%d bytes were sent to a client that does not read, want at most %d", got, 4*sendBuffer)
	}
}

func TestServer_ConnectionsBeyondTheLimitAreClosed(t *testing.T) {
	t.Parallel()
	const limit = 3
	addr := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), limit, nil)
	answered := func(conn net.Conn) bool {
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}
	open := make([]net.Conn, limit)
	for i := range open {
		if open[i] = ask(t, addr); !answered(open[i]) {
			t.Fatalf("connection %d of %d was not served", i+1, limit)
		}
	}
	served := func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr.String())
		if err != nil {
			return false
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // fails if the server was faster
		return answered(conn)
	}
	if served() {
		t.Error("a connection beyond the limit was served")
	}
	// A connection that ends makes room, once the server notices.
	_ = open[0].Close()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(30 * time.Second)
	for !served() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("a connection that ended made no room")
		}
	}
}
