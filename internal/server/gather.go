package server

import (
	"bytes"
	"net"
	"strconv"
	"sync"
)

// gatheringConn writes the start of a long answer together with its rest. net/http fills a buffer of 4 KiB
// with the head and what of the body has room there, writes that, and then the rest: two system
// calls, and two times that the client is woken, where one does (writev).
type gatheringConn struct {
	net.Conn
	start *[]byte // of an answer whose rest is still to come; nil mostly
}

// bufferSize is that of net/http, in bytes. Only a full buffer is held back: anything else was flushed on purpose.
// A handler that has said how long its answer is, and flushes just when the buffer is full, is not told from
// one that goes on writing; none here says a length and flushes.
const bufferSize = 4 << 10

var starts = sync.Pool{New: func() any { return new(make([]byte, 0, bufferSize)) }}

// Write holds the start of an answer back until its next part comes. net/http has one goroutine write at a time.
func (c *gatheringConn) Write(p []byte) (int, error) {
	if c.start != nil {
		return c.writeBoth(p)
	}
	if !isStart(p) {
		return c.Conn.Write(p)
	}
	c.start, _ = starts.Get().(*[]byte)
	*c.start = append((*c.start)[:0], p...)
	return len(p), nil
}

func (c *gatheringConn) writeBoth(p []byte) (int, error) {
	start := c.start
	c.start = nil
	defer starts.Put(start)
	both := net.Buffers{*start, p}
	n, err := both.WriteTo(c.Conn)
	return max(0, int(n)-len(*start)), err
}

var (
	endOfHead     = []byte("\r\n\r\n")
	contentLength = []byte("\r\nContent-Length: ")
)

// isStart reports whether p is a full buffer with the head of an answer and not all of its body: then
// another write must follow, or the answer is broken off. The answer to HEAD has a length and no body.
func isStart(p []byte) bool {
	if len(p) != bufferSize || !bytes.HasPrefix(p, statusStart) {
		return false
	}
	head, body, _ := bytes.Cut(p, endOfHead)
	_, rest, found := bytes.Cut(head, contentLength)
	if !found || len(body) == 0 {
		return false
	}
	value, _, _ := bytes.Cut(rest, []byte("\r"))
	length, err := strconv.Atoi(string(value))
	return err == nil && length > len(body)
}
