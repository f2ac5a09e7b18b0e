package middleware_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"evently/internal/domain"
	"evently/internal/middleware"
)

// streams opens streams, which stay open until something is received from end.
type streams struct {
	t       *testing.T
	handler http.Handler
	started chan struct{}
	end     chan struct{}
	running sync.WaitGroup
}

func newStreams(t *testing.T, rules middleware.StreamRules) *streams {
	t.Helper()
	s := &streams{t: t, started: make(chan struct{}), end: make(chan struct{})}
	s.handler = middleware.NewStreams(rules, slog.New(slog.DiscardHandler)).Limit(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			s.started <- struct{}{}
			<-s.end
		}))
	t.Cleanup(s.running.Wait)
	t.Cleanup(func() { close(s.end) })
	return s
}

// open opens a stream, which stays open, and reports whether it was allowed. User 0 has no token.
func (s *streams) open(user int64, addr string) bool {
	s.t.Helper()
	request := &domain.Request{ClientAddr: netip.MustParseAddr(addr)}
	if user != 0 {
		request.Identity = &domain.Identity{UserID: user}
	}
	r := httptest.NewRequestWithContext(domain.WithRequest(s.t.Context(), request), http.MethodGet, "/", http.NoBody)
	w := httptest.NewRecorder()
	returned := make(chan struct{})
	s.running.Go(func() {
		defer close(returned)
		s.handler.ServeHTTP(w, r)
	})
	select {
	case <-s.started:
		return true
	case <-returned:
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"too_many_streams"`) {
			s.t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
		}
		return false
	}
}

func (s *streams) want(open int, user int64, addrs ...string) {
	s.t.Helper()
	for i, addr := range addrs {
		if got, want := s.open(user, addr), i < open; got != want {
			s.t.Errorf("stream %d of user %d from %s: allowed is %t, want %t", i+1, user, addr, got, want)
		}
	}
}

func TestStreams_PerUserFromAnyAddress(t *testing.T) {
	t.Parallel()
	s := newStreams(t, middleware.StreamRules{PerUser: 2})
	s.want(2, 1, "192.0.2.1", "192.0.2.2", "192.0.2.3")
	s.want(1, 2, "192.0.2.1")
	s.end <- struct{}{}
	s.end <- struct{}{}
	s.end <- struct{}{} // all three have ended
	s.running.Wait()
	s.want(2, 1, "192.0.2.1", "192.0.2.2", "192.0.2.3")
}

func TestStreams_PerAddressOfAnyUser(t *testing.T) {
	t.Parallel()
	s := newStreams(t, middleware.StreamRules{PerUser: 10, PerAddress: 2})
	s.want(1, 1, "192.0.2.1")
	s.want(1, 2, "192.0.2.1")
	s.want(0, 0, "192.0.2.1")
	s.want(1, 0, "192.0.2.2")
	s.want(2, 0, "2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::3") // one /64
	s.want(1, 0, "2001:db8:0:1::1")
}

func TestStreams_PrivateAddressMayBeAProxy(t *testing.T) {
	t.Parallel()
	s := newStreams(t, middleware.StreamRules{PerAddress: 1})
	s.want(2, 0, "10.0.0.1", "10.0.0.1")
	s.want(2, 0, "127.0.0.1", "127.0.0.1")
	s = newStreams(t, middleware.StreamRules{PerAddress: 1, Proxied: true})
	s.want(1, 0, "10.0.0.1", "10.0.0.1")
}

func TestStreams_ZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	s := newStreams(t, middleware.StreamRules{})
	s.want(3, 1, "192.0.2.1", "192.0.2.1", "192.0.2.1")
}
