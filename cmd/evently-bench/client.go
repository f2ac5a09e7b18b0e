package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// client is one kept connection that speaks just enough HTTP/1.1. It costs a fraction of what
// net/http would: what the generator takes is missing to the service on the same processors.
type client struct {
	addr   string
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

// exchangeTimeout bounds one request and its answer.
const exchangeTimeout = 20 * time.Second

var errMalformed = errors.New("an answer that this client cannot read")

// do sends a request and reads its answer. The body is good until the next call.
func (c *client) do(ctx context.Context, request []byte) (status int, body []byte, err error) {
	if c.conn == nil {
		if c.conn, err = new(net.Dialer).DialContext(ctx, "tcp", c.addr); err != nil {
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

// headers reads up to the body and gives its length.
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
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, errMalformed
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, fmt.Errorf("%w: in chunks", errMalformed)
		}
	}
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// get gives the bytes of a GET that accepts gzip.
func get(path, token string) []byte {
	return request("GET", path, token, "")
}

// post gives the bytes of a POST of JSON.
func post(path, token, body string) []byte { return request("POST", path, token, body) }

func request(method, path, token, body string) []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: bench\r\nAccept-Encoding: gzip\r\n", method, path)
	if token != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", token)
	}
	if body != "" {
		b = fmt.Appendf(b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b = append(b, "\r\n"...)
	return append(b, body...)
}

// number gives the first whole number behind key in a JSON text; 0 when there is none.
func number(body []byte, key string) int64 {
	_, rest, found := bytes.Cut(body, []byte(`"`+key+`":`))
	if !found {
		return 0
	}
	end := bytes.IndexAny(rest, ",}.")
	if end < 0 {
		return 0
	}
	n, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
