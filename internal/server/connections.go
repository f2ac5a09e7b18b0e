package server

import (
	"net"
	"net/http"
	"time"
)

// sendBuffer is how many bytes of a response that its client does not read the kernel keeps, about. By default it keeps
// up to 4 MB, and a client that asks for a large file and reads nothing costs the copy of the whole.
const sendBuffer = 128 << 10

// boundUnread bounds what a client that does not read can hold: sendBuffer bytes, for as long as timeout. The server's
// WriteTimeout does not do this alone: it ends with the handler, whose response may still be in the buffer.
func boundUnread(conn net.Conn, timeout time.Duration) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	// A connection that has failed already shows it at its first read.
	_ = tcp.SetWriteBuffer(sendBuffer)
	_ = setUserTimeout(tcp, timeout)
}

// count returns an http.Server.ConnState that counts connections, and closes new ones while maximum are open, unless that
// is 0. Unlike netutil.LimitListener it does not let them wait, so that a load balancer tries another instance at once, and
// leaves net/http the *net.TCPConn, which it half-closes after a refused body.
func (s *Server) count(maximum int, next func(net.Conn, http.ConnState)) func(net.Conn, http.ConnState) {
	return func(conn net.Conn, state http.ConnState) {
		if next != nil {
			next(conn, state)
		}
		switch state {
		case http.StateNew:
			if s.open.Add(1) > int64(maximum) && maximum > 0 {
				_ = conn.Close() // net/http notices, and reports StateClosed
			}
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		}
	}
}
