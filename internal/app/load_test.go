//go:build compat || long

package app_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// load is what clients received who book and read until stop is called.
type load struct {
	mu       sync.Mutex
	counts   map[string]int // by method, status and code
	failures []string
	stop     func()
}

// startLoad lets one client for each seat book it and read. allowed says which 5xx a client may receive; all others, and
// whatever has not the form of Evently's responses, are failures.
func startLoad(t *testing.T, base string, show int64, seats []int64, allowed func(method string, a answer) bool) *load {
	t.Helper()
	l := &load{counts: map[string]int{}}
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	l.stop = func() {
		cancel()
		clients.Wait()
	}
	t.Cleanup(l.stop)
	for _, seat := range seats {
		c := registered(t, base)
		c.received = func(method string, a answer) { l.receive(method, a, allowed) }
		clients.Go(func() {
			for ctx.Err() == nil {
				c.call(http.MethodGet, "/api/v1/shows", nil)
				c.call(http.MethodGet, fmt.Sprintf("/api/v1/shows/%d/seats", show), nil)
				c.call(http.MethodGet, "/api/v1/user/bookings", nil)
				c.book(show, seat)
			}
		})
	}
	return l
}

func (l *load) receive(method string, a answer, allowed func(string, answer) bool) {
	failure := ""
	switch {
	case a.status == 0:
		failure = "no response"
	case !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || a.body == nil || a.header.Get("X-Request-ID") == "":
		failure = "not in the form of Evently"
	case a.status >= http.StatusBadRequest && (a.code() == "" || a.body["message"] == nil || a.body["request_id"] != a.header.Get("X-Request-ID")):
		failure = "not an error of Evently's form"
	case a.status >= http.StatusInternalServerError && !allowed(method, a):
		failure = "failed"
	case a.status >= http.StatusInternalServerError:
		if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
			failure = "without Retry-After"
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[fmt.Sprint(method, " ", a.status, " ", a.code())]++
	if failure != "" {
		l.failures = append(l.failures, failure+": "+a.String())
	}
}

// await waits for n more responses of a kind: a regular expression for method, status and code.
func (l *load) await(t *testing.T, kind string, n int) {
	t.Helper()
	pattern := regexp.MustCompile("^" + kind + "$")
	count := func() (sum int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for seen, times := range l.counts {
			if pattern.MatchString(seen) {
				sum += times
			}
		}
		return sum
	}
	before := count()
	eventually(t, fmt.Sprintf("%d responses %q", n, kind), func() bool { return count() >= before+n })
}

// end stops the clients and reports what failed.
func (l *load) end(t *testing.T) {
	t.Helper()
	l.stop()
	t.Logf("received: %v", l.counts)
	for n, failure := range l.failures {
		if n == 5 {
			t.Errorf("and %d more", len(l.failures)-n)
			break
		}
		t.Error(failure)
	}
}

func never(string, answer) bool { return false }
