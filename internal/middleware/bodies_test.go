package middleware_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"evently/internal/domain"
	"evently/internal/middleware"
)

// bodies serves requests whose bodies stay in memory until end is closed.
type bodies struct {
	t       *testing.T
	limit   func(http.Handler) http.Handler
	end     chan struct{}
	running sync.WaitGroup
}

func newBodies(t *testing.T, limit int64) *bodies {
	t.Helper()
	b := &bodies{t: t, limit: middleware.NewBodies(limit).Limit, end: make(chan struct{})}
	t.Cleanup(b.endAll)
	return b
}

// endAll lets all requests end.
func (b *bodies) endAll() {
	close(b.end)
	b.running.Wait()
	b.end = make(chan struct{})
}

// read starts a request with a body, and returns the error of reading it.
func (b *bodies) read(client string, body io.Reader) error {
	result := make(chan error)
	end := b.end
	handler := b.limit(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		result <- err
		<-end
	}))
	ctx := domain.WithRequest(b.t.Context(), &domain.Request{ClientAddr: netip.MustParseAddr(client)})
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", body)
	b.running.Go(func() { handler.ServeHTTP(httptest.NewRecorder(), r) })
	return <-result
}

func (b *bodies) want(client string, size int, overloaded bool) {
	b.t.Helper()
	err := b.read(client, strings.NewReader(strings.Repeat("x", size)))
	if overloaded != errors.Is(err, domain.ErrOverloaded) || !overloaded && err != nil {
		b.t.Errorf("%d bytes of %s: %v, want overloaded to be %t", size, client, err, overloaded)
	}
}

func TestBodies_OneClientHasAQuarter(t *testing.T) {
	t.Parallel()
	b := newBodies(t, 4000)
	b.want("192.0.2.1", 600, false)
	b.want("192.0.2.1", 500, true)
	b.want("192.0.2.1", 300, false)
	b.want("192.0.2.2", 1000, false)
	b.want("2001:db8::1", 900, false)
	b.want("2001:db8::2", 200, true) // the same /64
}

func TestBodies_AllClientsHaveTheWhole(t *testing.T) {
	t.Parallel()
	b := newBodies(t, 4000)
	for range 2 { // the second time all bytes are free again
		for _, client := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"} {
			b.want(client, 1000, false)
		}
		b.want("192.0.2.5", 1, true)
		b.endAll()
	}
}

// What a slow client has announced and not sent takes no room.
func TestBodies_OnlyWhatHasArrivedCounts(t *testing.T) {
	t.Parallel()
	b := newBodies(t, 4000)
	slow, sender := io.Pipe()
	read := make(chan error, 1)
	b.running.Go(func() { read <- b.read("192.0.2.1", slow) })
	for _, part := range []string{strings.Repeat("x", 100), ""} { // once the second is read, the first is counted
		if _, err := io.WriteString(sender, part); err != nil {
			t.Fatal(err)
		}
	}
	b.want("192.0.2.1", 900, false)
	b.want("192.0.2.1", 1, true)
	_ = sender.Close()
	if err := <-read; err != nil {
		t.Error(err)
	}
}

func TestBodies_ZeroIsNoLimit(t *testing.T) {
	t.Parallel()
	newBodies(t, 0).want("192.0.2.1", 1<<20, false)
}
