// Package server holds the route table and the HTTP server.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"
)

// Server serves HTTP on one listener.
type Server struct {
	http     *http.Server
	listener net.Listener
	open     atomic.Int64 // connections
	draining atomic.Bool
}

// Listen listens on the TCP address host:port. No host is all addresses, and port 0 is any free one.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s is in use: end the program that listens there, or set another PORT, LISTEN_ADDR or METRICS_ADDR", address)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// New returns a Server that runs server on listener, and owns both. It closes new connections while it has
// maxConnections, unless that is 0.
func New(listener net.Listener, server *http.Server, maxConnections int, log *slog.Logger) *Server {
	server.DisableGeneralOptionsHandler = true // OPTIONS * gets the 404 of every unknown path
	// Mostly broken connections, caused by clients.
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		boundUnread(conn, server.WriteTimeout)
		return ctx
	}
	s := &Server{listener: listener, http: server}
	server.ConnState = s.count(maxConnections, server.ConnState)
	routes := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		routes.ServeHTTP(w, r)
	})
	return s
}

func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve serves requests until Drain or Shutdown is called, and then returns nil at once.
func (s *Server) Serve() error {
	err := s.http.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) || s.draining.Load() && errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("serve HTTP: %w", err)
}

const (
	drainTime = time.Second
	drainPoll = 10 * time.Millisecond
)

// Drain accepts no more connections and lets those that are open end with their next response, for at most a second.
// Shutdown closes idle ones at once, also those on which a proxy has just sent a request, which is then lost.
func (s *Server) Drain(ctx context.Context) {
	s.draining.Store(true)
	_ = s.listener.Close() // Shutdown reports what is wrong with it
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	tick := time.NewTicker(drainPoll)
	defer tick.Stop()
	for s.open.Load() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Shutdown waits for running requests. When ctx is done it closes their connections and returns an error.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if errors.Is(err, net.ErrClosed) { // Drain has closed the listener; all requests are finished
		err = nil
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were still running: %w", err), s.http.Close())
	}
	// net/http closes the listener only if Serve was called.
	if closeErr := s.listener.Close(); !errors.Is(closeErr, net.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}
