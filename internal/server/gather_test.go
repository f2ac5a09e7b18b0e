package server

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pipe is a connection that keeps what is written to it.
type pipe struct {
	net.Conn
	written bytes.Buffer
}

func (p *pipe) Write(b []byte) (int, error) { return p.written.Write(b) }

// answerOf gives the first size bytes of an answer with a body of length bytes.
func answerOf(length, size int, more string) []byte {
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%sContent-Length: %d\r\n\r\n", more, length)
	return []byte((head + strings.Repeat("x", length))[:size])
}

// Only a start that must have a rest is held back, and goes out with it.
func TestTheStartOfALongAnswerWaitsForTheRest(t *testing.T) {
	t.Parallel()
	whole := answerOf(10_000, 10_000, "")
	head := bytes.Index(whole, endOfHead) + len(endOfHead)
	for name, c := range map[string]struct {
		p    []byte
		held bool
	}{
		"a full buffer of a longer one": {whole[:bufferSize], true},
		"less than a buffer":            {whole[:bufferSize-1], false},
		"more than a buffer":            {whole[:bufferSize+1], false},
		"all there is":                  {answerOf(bufferSize-head+1, bufferSize, ""), false},
		"one byte is missing":           {answerOf(bufferSize-head+2, bufferSize, ""), true},
		"in chunks":                     {bytes.Replace(whole[:bufferSize], []byte("Content-Length: 10000"), []byte("Transfer-Encoding: ch "), 1), false},
		"a head alone, as of HEAD":      {answerOf(10_000, bufferSize, "X: "+strings.Repeat("y", bufferSize-head-5)+"\r\n"), false},
		"the middle of one":             {bytes.Repeat([]byte("x"), bufferSize), false},
		"a body like an answer":         {append([]byte("x"), whole[:bufferSize-1]...), false},
		"no number":                     {bytes.Replace(whole[:bufferSize], []byte("10000"), []byte("1000x"), 1), false},
		"a length in the body alone":    {[]byte("HTTP/1.1 200 OK\r\n\r\n\r\nContent-Length: 9999999\r\n" + strings.Repeat("x", bufferSize-46)), false},
	} {
		under := &pipe{}
		conn := &gatheringConn{Conn: under}
		if n, err := conn.Write(c.p); n != len(c.p) || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if held := under.written.Len() == 0; held != c.held {
			t.Errorf("%s (%d bytes): held back: %t", name, len(c.p), held)
		}
		rest := []byte("the rest")
		if n, err := conn.Write(rest); n != len(rest) || err != nil {
			t.Errorf("%s: the rest: %d, %v", name, n, err)
		}
		if got := under.written.String(); got != string(c.p)+"the rest" {
			t.Errorf("%s: %d bytes were written", name, len(got))
		}
	}
}

// Over a real connection every answer arrives whole, whatever its length and however it is written.
func TestAnswersOfAllLengthsArriveWhole(t *testing.T) {
	t.Parallel()
	listener, err := ListenOn(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		length, _ := strconv.Atoi(r.URL.Query().Get("length"))
		step, _ := strconv.Atoi(r.URL.Query().Get("step"))
		w.Header().Set("Content-Length", strconv.Itoa(length))
		for left := length; left > 0; left -= step {
			_, _ = w.Write(bytes.Repeat([]byte("x"), min(step, left)))
		}
	})
	s := New(listener, handler, Limits{}, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	for _, length := range []int{0, 1, 2047, 2048, 3900, 3950, 3960, 3970, 3980, 3990, 4000, 4095, 4096, 4097, 9000, 1 << 20} {
		for _, step := range []int{1 << 20, 2048, 100} {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				request, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://%s/?length=%d&step=%d", s.Addr(), length, step), http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				if err := request.Write(conn); err != nil {
					t.Fatal(err)
				}
				response, err := http.ReadResponse(reader, request)
				if err != nil {
					t.Fatalf("%s of %d by %d: %v", method, length, step, err)
				}
				body, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				want := length
				if method == http.MethodHead {
					want = 0
				}
				if err != nil || len(body) != want {
					t.Errorf("%s of %d by %d: %d bytes, %v", method, length, step, len(body), err)
				}
			}
		}
	}
}
