package handler_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"evently/internal/waitingroom"
)

const (
	benchStreams = 10_000
	// streamsOf has the host and path of the events for the second process: one process has too few file
	// descriptors for both ends of so many connections.
	streamsOf  = "BENCH_STREAMS_OF"
	streamOpen = "all streams are open"
)

// BenchmarkIdleStreams opens 10,000 streams of one show on one instance and reports the memory of its
// process. Run it once:
//
//	go test ./internal/handler -run NONE -bench IdleStreams -benchtime 1x
func BenchmarkIdleStreams(b *testing.B) {
	if target := os.Getenv(streamsOf); target != "" {
		openStreams(b, target)
		return
	}
	s := setupRooms(b)
	a := s.instance(b, waitingroom.HubOptions{})
	for b.Loop() {
		debug.FreeOSMemory()
		before := residentBytes(b)

		clients := exec.CommandContext(b.Context(), os.Args[0], "-test.run", "NONE", "-test.bench", "IdleStreams", "-test.benchtime", "1x")
		clients.Env = append(os.Environ(), fmt.Sprintf("%s=%s/waiting-room/%d/events", streamsOf, a.server.Listener.Addr(), s.show))
		clients.Stderr = os.Stderr
		hold, err := clients.StdinPipe()
		if err != nil {
			b.Fatal(err)
		}
		out, err := clients.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if err := clients.Start(); err != nil {
			b.Fatal(err)
		}
		said := bufio.NewScanner(out)
		open := false
		for !open && said.Scan() {
			open = strings.Contains(said.Text(), streamOpen)
		}
		if !open {
			b.Fatalf("the clients did not open their streams: %v", said.Err())
		}
		held := residentBytes(b)
		b.ReportMetric(float64(held)/(1<<20), "MiB-process")
		b.ReportMetric(float64(held-before)/benchStreams/1024, "KiB/stream")

		if err := hold.Close(); err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, out); err != nil {
			b.Fatal(err)
		}
		if err := clients.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}

// openStreams is the second process: it opens the streams, waits for the first event of each, prints
// streamOpen, and holds them until its input ends.
func openStreams(b *testing.B, target string) {
	host, path, _ := strings.Cut(target, "/")
	connections := make([]net.Conn, benchStreams)
	buffer := make([]byte, 4096)
	for i := range connections {
		connection, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", host)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = connection.Close() }()
		connections[i] = connection
		if _, err := fmt.Fprintf(connection, "GET /%s HTTP/1.1\r\nHost: x\r\nX-User: %d\r\n\r\n", path, i+1); err != nil {
			b.Fatal(err)
		}
		for got := ""; !strings.Contains(got, "data: "); {
			n, err := connection.Read(buffer)
			if err != nil {
				b.Fatalf("stream %d: %v after %q", i, err, got)
			}
			got += string(buffer[:n])
		}
	}
	if _, err := fmt.Fprintln(os.Stdout, streamOpen); err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		b.Fatal(err)
	}
}

// residentBytes returns the resident memory of this process.
func residentBytes(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatalf("this benchmark needs Linux: %v", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}
