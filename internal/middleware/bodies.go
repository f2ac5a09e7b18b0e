package middleware

import (
	"errors"
	"io"
	"net/http"
	"net/netip"
	"sync"

	"evently/internal/domain"
)

// clientShare is the part of the memory for request bodies that one client may use: a quarter.
const clientShare = 4

// Bodies bounds the bytes of request bodies in memory, of all requests on this instance. Bytes count once they have
// arrived, so that a slow client holds no more than it has sent, until the request ends.
type Bodies struct {
	limit int64

	mu       sync.Mutex
	used     int64
	byClient map[netip.Prefix]int64
}

// NewBodies returns the middleware. A limit of 0 bytes is none.
func NewBodies(limit int64) *Bodies {
	return &Bodies{limit: limit, byClient: map[netip.Prefix]int64{}}
}

// Limit makes reads of a body fail with domain.ErrOverloaded when there is no room for it.
func (b *Bodies) Limit(next http.Handler) http.Handler {
	if b.limit == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		body := &countedBody{ReadCloser: r.Body, bodies: b, client: domain.WidestNetwork(domain.RequestFrom(r.Context()).ClientAddr)}
		defer func() { b.release(body.client, body.held) }()
		r.Body = body
		next.ServeHTTP(w, r)
	})
}

func (b *Bodies) take(client netip.Prefix, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used+n > b.limit || b.byClient[client]+n > b.limit/clientShare {
		return false
	}
	b.used += n
	b.byClient[client] += n
	return true
}

func (b *Bodies) release(client netip.Prefix, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	if b.byClient[client] -= n; b.byClient[client] == 0 {
		delete(b.byClient, client)
	}
}

var errBodies = errors.New("request bodies fill MAX_BODY_BYTES_IN_FLIGHT, or the share of their client")

type countedBody struct {
	io.ReadCloser
	bodies *Bodies
	client netip.Prefix
	held   int64
}

func (c *countedBody) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if n > 0 {
		if !c.bodies.take(c.client, int64(n)) {
			return 0, domain.ErrOverloaded.WithCause(errBodies)
		}
		c.held += int64(n)
	}
	return n, err
}
