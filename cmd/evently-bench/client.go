package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client sends HTTP/1.1 requests on one connection. It does less than net/http, because its processor
// time is taken from the service on the same machine.
type client struct {
	addr   string
	from   net.IP
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
	locks  []time.Duration // latencies of the locks within whole bookings
}

// newClient returns client number n, at most 60,000, with a loopback address of its own: rate limits
// are per address.
func newClient(addr string, n int) *client {
	return &client{addr: addr, from: net.IPv4(127, 0, byte(1+n/250), byte(1+n%250))}
}

const exchangeTimeout = 20 * time.Second

var errMalformed = errors.New("malformed response")

// do sends a request and returns its response. The body is valid until the next call.
func (c *client) do(ctx context.Context, request []byte) (status int, body []byte, err error) {
	if c.conn == nil {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.from}}
		if c.conn, err = dialer.DialContext(ctx, "tcp", c.addr); err != nil {
			return 0, nil, err
		}
		c.reader = bufio.NewReaderSize(c.conn, 32<<10)
	}
	status, body, err = c.exchange(request)
	if err != nil {
		c.close()
	}
	return status, body, err
}

// expect is do with an error for any other status.
func (c *client) expect(ctx context.Context, request []byte, want int) (body []byte, err error) {
	status, body, err := c.do(ctx, request)
	if err == nil && status != want {
		line, _, _ := bytes.Cut(request, []byte(" HTTP"))
		err = fmt.Errorf("%s: status %d, want %d: %.200s", line, status, want, body)
	}
	return body, err
}

func (c *client) exchange(request []byte) (status int, body []byte, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return 0, nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, nil, errMalformed
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, errMalformed
	}
	length, err := c.headers()
	if err != nil {
		return status, nil, err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err = io.ReadFull(c.reader, c.body)
	return status, c.body, err
}

// headers reads the headers and returns the length of the body.
func (c *client) headers() (length int, err error) {
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, errMalformed
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, fmt.Errorf("%w: chunked", errMalformed)
		}
	}
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func get(path, token string) []byte { return request("GET", path, token, "", "") }

func post(path, token, body string) []byte { return request("POST", path, token, "", body) }

// postOnce returns a POST with an Idempotency-Key of its own.
func postOnce(path, token, body string) []byte {
	return request("POST", path, token, rand.Text(), body)
}

func request(method, path, token, key, body string) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n", method, path)
	if token != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", token)
	}
	if key != "" {
		b = fmt.Appendf(b, "Idempotency-Key: %s\r\n", key)
	}
	if body != "" {
		b = fmt.Appendf(b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b = append(b, "\r\n"...)
	return append(b, body...)
}

// number returns the first integer member called key of a JSON text, or 0.
func number(body []byte, key string) int64 {
	_, rest, _ := bytes.Cut(body, []byte(`"`+key+`":`))
	end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
