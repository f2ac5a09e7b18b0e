package testkit

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/rediskit"
)

// Rediskit returns a rediskit.Client over client. It closes with the test. Its timeout, unless o has one,
// is long: the machine that runs tests may be busy.
func Rediskit(t testing.TB, client redis.UniversalClient, o rediskit.Options) *rediskit.Client {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	kit, err := rediskit.New(client, o)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	t.Cleanup(func() {
		if err := kit.Close(); err != nil {
			t.Errorf("testkit: close Redis: %v", err)
		}
	})
	return kit
}

// Wire is the network between a client and Redis, which a test can cut.
type Wire struct {
	mu    sync.Mutex
	isCut bool
	conns map[net.Conn]struct{}
}

// redialPause keeps a client that dials without a pause from using all of the processor.
const redialPause = 10 * time.Millisecond

// WiredRedis returns another client of the database of client, over a Wire. It closes with the test.
func WiredRedis(t testing.TB, client *redis.Client) (*redis.Client, *Wire) {
	t.Helper()
	w := &Wire{conns: map[net.Conn]struct{}{}}
	original := client.Options()
	wired := redis.NewClient(&redis.Options{
		Addr: original.Addr, DB: original.DB, Username: original.Username, Password: original.Password,
		// After as many failures as the pool is large, go-redis dials in a goroutine that outlives the client.
		MaxRetries: -1, DialerRetries: 1, PoolSize: 10_000,
		Dialer: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return w.dial(ctx, original.Network, original.Addr)
		},
	})
	t.Cleanup(func() { _ = wired.Close() })
	return wired, w
}

func (w *Wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if w.down() {
		pause, cancel := context.WithTimeout(ctx, redialPause)
		defer cancel()
		<-pause.Done()
		return nil, net.ErrClosed
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isCut { // since the first look
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	w.conns[conn] = struct{}{}
	return conn, nil
}

func (w *Wire) down() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.isCut
}

// Cut breaks all connections, and refuses new ones until Mend.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for conn := range w.conns {
		_ = conn.Close()
	}
	clear(w.conns)
}

// Mend lets the client connect again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}
