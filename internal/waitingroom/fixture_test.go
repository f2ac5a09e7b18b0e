package waitingroom

import (
	"context"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // outages are made on purpose here
	testkit.Main(m)
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// show is the show of most tests: each has a Redis database of its own.
const show = int64(7)

// defaults are the options of tests, with the intervals of production.
func defaults() Options {
	return Options{
		Defaults:      domain.RoomSettings{Mode: domain.RoomAuto, MaxUsers: 3, BatchSize: 2},
		AdmitInterval: 2 * time.Second,
		Grace:         30 * time.Second,
		Abandon:       5 * time.Minute,
		SessionTTL:    5 * time.Minute,
		Secret:        []byte("a secret of tests"),
		Timeout:       10 * time.Second, // the machine that tests run on may be busy
	}
}

// fixture is a room over a Redis database of its own, with a clock that stands still.
type fixture struct {
	*Room
	client *redis.Client
	clock  *testkit.Clock
	store  *memory
}

func setup(t testing.TB, change ...func(*Options)) *fixture {
	t.Helper()
	f := &fixture{
		client: testkit.Redis(t),
		clock:  testkit.NewClock(time.Date(2030, 1, 31, 10, 0, 0, 0, time.UTC)),
		store:  newMemory(),
	}
	options := defaults()
	options.Now = f.clock.Now
	for _, c := range change {
		c(&options)
	}
	f.Room = New(f.client, f.store, options, logger())
	return f
}

func settings(mode domain.RoomMode, maxUsers, batch int64) func(*Options) {
	return func(o *Options) {
		o.Defaults = domain.RoomSettings{Mode: mode, MaxUsers: maxUsers, BatchSize: batch}
	}
}

func logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))
}

func (f *fixture) enter(t testing.TB, user int64) domain.RoomStatus {
	t.Helper()
	status, err := f.Enter(t.Context(), show, user)
	if err != nil {
		t.Fatalf("user %d enters: %v", user, err)
	}
	return status
}

func (f *fixture) ask(t testing.TB, user int64) domain.RoomStatus {
	t.Helper()
	status, err := f.Status(t.Context(), show, user)
	if err != nil {
		t.Fatalf("user %d asks: %v", user, err)
	}
	return status
}

func (f *fixture) tick(t testing.TB) Tick {
	t.Helper()
	tick, err := f.Tick(t.Context(), show)
	if err != nil {
		t.Fatalf("tick: %v", err)
	}
	return tick
}

func (f *fixture) view(t testing.TB) domain.RoomView {
	t.Helper()
	view, err := f.View(t.Context(), show)
	if err != nil {
		t.Fatalf("view: %v", err)
	}
	return view
}

// memory is a Store without a database.
type memory struct {
	mu        sync.Mutex
	overrides map[int64]domain.RoomOverrides
	gone      map[int64]bool
	reads     int
	err       error
}

func newMemory() *memory {
	return &memory{overrides: map[int64]domain.RoomOverrides{}, gone: map[int64]bool{}}
}

func (m *memory) RoomOverrides(_ context.Context, showID int64) (domain.RoomOverrides, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.gone[showID] {
		return domain.RoomOverrides{}, domain.ErrShowNotFound
	}
	return m.overrides[showID], m.err
}

func (m *memory) ChangeRoomOverrides(_ context.Context, showID int64, change domain.RoomChange) (domain.RoomOverrides, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.overrides[showID]
	if change.Mode.Set {
		o.Mode = change.Mode.Value
	}
	if change.MaxUsers.Set {
		o.MaxUsers = change.MaxUsers.Value
	}
	if change.BatchSize.Set {
		o.BatchSize = change.BatchSize.Value
	}
	o.Version++
	m.overrides[showID] = o
	return o, m.err
}

// wire is the network between one instance and Redis: it can be cut.
type wire struct {
	mu    sync.Mutex
	isCut bool
	conns map[net.Conn]struct{}
}

// wired gives a client of its own to the database of client, over a wire.
func wired(t testing.TB, client *redis.Client) (*redis.Client, *wire) {
	t.Helper()
	w := &wire{conns: map[net.Conn]struct{}{}}
	original := client.Options()
	options := &redis.Options{
		Addr: original.Addr, DB: original.DB, Username: original.Username, Password: original.Password,
		// Fail at once: an outage is what the test is about, not how it is borne with. After as many
		// failures as the pool is large, go-redis would dial in a goroutine that outlives the client.
		MaxRetries: -1, DialerRetries: 1, PoolSize: 10_000,
	}
	options.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if w.down() {
			_ = sleep(ctx, 10*time.Millisecond) // asynq dials again and again
			return nil, net.ErrClosed
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, original.Network, original.Addr)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.isCut { // meanwhile
			_ = conn.Close()
			return nil, net.ErrClosed
		}
		w.conns[conn] = struct{}{}
		return conn, nil
	}
	other := redis.NewClient(options)
	t.Cleanup(func() { _ = other.Close() })
	return other, w
}

func (w *wire) down() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.isCut
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for conn := range w.conns {
		_ = conn.Close()
	}
	clear(w.conns)
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}
