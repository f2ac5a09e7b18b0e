package server

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"strconv"

	"evently/internal/domain"
	"evently/internal/respond"
)

// refusing is a listener on whose connections the refusals of net/http itself have the one shape of
// errors. What is so broken that no request comes of it never reaches a handler: net/http writes
// a line of plain text to the connection, and has no way to be told otherwise.
type refusing struct{ net.Listener }

// Accept gives the next connection.
func (l refusing) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return refusingConn{&gatheringConn{Conn: conn}}, nil
}

type refusingConn struct{ *gatheringConn }

// CloseWrite is what net/http looks for, so that a client can read a refusal before it is reset.
func (c refusingConn) CloseWrite() error {
	if tcp, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// Write passes on what is written, a refusal of net/http in our own words. Each is one write.
func (c refusingConn) Write(p []byte) (int, error) {
	status, refused := refusal(p)
	if !refused {
		return c.gatheringConn.Write(p)
	}
	if _, err := c.gatheringConn.Write(refusalOf(status)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// The starts of what net/http writes by itself. Behind the status line of a refusal these headers
// follow at once, which no answer of a handler has; a wrong Expect is refused with no body at all,
// and no handler answers 417. With their ends of lines they are nothing that JSON could have in it.
var (
	statusStart    = []byte("HTTP/1.1 ") // or 1.0, in an answer to an old client
	refusalHeaders = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")
	expectation    = []byte("417 Expectation Failed\r\n")
)

// refusal tells whether p is a refusal of net/http, and with which status.
func refusal(p []byte) (status int, ok bool) {
	if len(p) < len(statusStart)+len("400") || !bytes.HasPrefix(p, statusStart[:len("HTTP/1.")]) {
		return 0, false
	}
	line := p[len(statusStart):]
	if bytes.HasPrefix(line, expectation) {
		return http.StatusExpectationFailed, true
	}
	if end := bytes.IndexByte(line, '\r'); end < 0 || !bytes.HasPrefix(line[end:], refusalHeaders) {
		return 0, false
	}
	status, err := strconv.Atoi(string(line[:len("400")]))
	return status, err == nil
}

// refusalOf gives the whole answer to what cannot be read as a request.
func refusalOf(status int) []byte {
	reason := domain.ErrMalformedRequest
	switch status {
	case http.StatusRequestHeaderFieldsTooLarge:
		reason = domain.ErrHeadersTooLarge
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported, http.StatusExpectationFailed:
		reason = domain.ErrUnsupportedRequest
	}
	id := rand.Text()
	body := respond.Body(reason, id)
	return fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"+
		"X-Content-Type-Options: nosniff\r\n%s: %s\r\nConnection: close\r\n\r\n%s",
		status, http.StatusText(status), len(body), respond.RequestIDHeader, id, body)
}
