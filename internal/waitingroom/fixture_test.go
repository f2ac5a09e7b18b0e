package waitingroom

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/rediskit"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) {
	redis.SetLogger(silence{}) // the outages here are on purpose
	testkit.Main(m)
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// show is the show of most tests: each has a Redis database of its own.
const show = int64(7)

// defaults returns the options of tests, with the intervals of production.
func defaults() Options {
	return Options{
		Defaults:      domain.RoomSettings{Mode: domain.RoomAuto, MaxUsers: 3, BatchSize: 2},
		AdmitInterval: 2 * time.Second,
		Grace:         30 * time.Second,
		Abandon:       5 * time.Minute,
		SessionTTL:    5 * time.Minute,
	}
}

// fixture is a room on a Redis database of its own, with a clock that stands still.
type fixture struct {
	*Room
	client *redis.Client // without a circuit breaker
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
	f.Room = New(testkit.Rediskit(t, f.client, rediskit.Options{}), f.store, options, logger())
	return f
}

// with returns another room on the same client and store.
func (f *fixture) with(options Options) *Room { return New(f.Room.client, f.store, options, logger()) }

// wired returns another room on the same database, over a wire, and its client.
func (f *fixture) wired(t testing.TB, options Options, kit rediskit.Options) (*Room, *testkit.Wire) {
	t.Helper()
	client, wire := testkit.WiredRedis(t, f.client)
	return New(testkit.Rediskit(t, client, kit), f.store, options, logger()), wire
}

// end ends the admission of a user whose booking was made just now.
func (f *fixture) end(t testing.TB, user int64) {
	t.Helper()
	if err := f.End(t.Context(), show, user, f.clock.Now()); err != nil {
		t.Fatalf("end the admission of user %d: %v", user, err)
	}
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
		t.Fatalf("status of user %d: %v", user, err)
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

// delete deletes a show.
func (m *memory) delete(showID int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gone[showID] = true
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
