// Package server holds the whole route table and the HTTP server that it runs on.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits bound what a client can cost. Each one is a field of http.Server.
type Limits struct {
	ReadHeaderTimeout time.Duration
	ReadTimeout       time.Duration
	WriteTimeout      time.Duration
	IdleTimeout       time.Duration
	MaxHeaderBytes    int
}

// Server serves HTTP on one listener.
type Server struct {
	http     *http.Server
	listener net.Listener
}

// Listen takes the TCP port on all addresses; 0 is any free one. It fails when the port is taken.
func Listen(ctx context.Context, port int) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, fmt.Errorf("listen on port %d: %w", port, err)
	}
	return listener, nil
}

// ListenOn takes the TCP address host:port. It fails when it is taken or not this machine's.
func ListenOn(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// New gives a Server of handler on listener, which it owns from here on.
func New(listener net.Listener, handler http.Handler, limits Limits, log *slog.Logger) *Server {
	return &Server{
		listener: listener,
		http: &http.Server{
			Handler:           handler,
			ReadHeaderTimeout: limits.ReadHeaderTimeout,
			ReadTimeout:       limits.ReadTimeout,
			WriteTimeout:      limits.WriteTimeout,
			IdleTimeout:       limits.IdleTimeout,
			MaxHeaderBytes:    limits.MaxHeaderBytes,
			// OPTIONS * is no route, and is told so in the shape of every error.
			DisableGeneralOptionsHandler: true,
			// Broken handshakes and the like: the client's doing, mostly.
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}
}

// Addr is where the server listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve answers requests until Shutdown, and then gives nil at once: Shutdown is what waits.
func (s *Server) Serve() error {
	if err := s.http.Serve(refusing{s.listener}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve HTTP: %w", err)
	}
	return nil
}

// Shutdown takes no new connections and waits for the requests that run. Those that are still
// running when ctx is done are broken off, and that is an error.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("requests were still running: %w", err), s.http.Close())
	}
	// net/http knows the listener only once it serves.
	if closeErr := s.listener.Close(); !errors.Is(closeErr, net.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}
