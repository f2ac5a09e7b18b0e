package server

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
)

// A proxy that has an open connection may send a request on it while the server drains.
func TestServer_OpenConnectionsGetTheirResponseWhileDraining(t *testing.T) {
	t.Parallel()
	listener, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(listener, &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: drainTime * 60}, 0, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(conn)
	ask := func() *http.Response {
		t.Helper()
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp
	}
	if resp := ask(); resp.Close {
		t.Error("the connection ends before the server drains")
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		s.Drain(context.WithoutCancel(t.Context()))
	}()
	if err := <-served; err != nil { // the listener is closed
		t.Errorf("Serve returned %v", err)
	}
	if resp := ask(); !resp.Close {
		t.Error("the response does not end its connection")
	}
	<-drained
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}
