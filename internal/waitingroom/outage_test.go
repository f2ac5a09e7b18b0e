package waitingroom

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/redisoutage"
)

// counting counts the round trips of a client.
type counting struct {
	mu sync.Mutex
	n  int
}

func (c *counting) add() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *counting) DialHook(next redis.DialHook) redis.DialHook { return next }
func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { c.add(); return next(ctx, cmd) }
}
func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { c.add(); return next(ctx, cmds) }
}

func TestAnIdleRoomCostsOneRoundTrip(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 10, 10))
	f.enter(t, 1) // loads the script and the settings
	count := &counting{}
	f.client.AddHook(count)
	f.enter(t, 2)
	if count.n != 1 {
		t.Errorf("a user who passes costs %d round trips", count.n)
	}
	f.enter(t, 2)
	if count.n != 2 {
		t.Errorf("a user who is inside costs %d round trips", count.n-1)
	}
}

func TestAnOutageIsOneErrorAndNoLie(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var states []string
	client, wire := wired(t, f.client)
	metrics := &metricsSpy{}
	options := f.options
	options.Cooldown = time.Nanosecond // the next call tries again
	options.Metrics = metrics
	options.OnStateChange = func(_, to string) {
		if to != "half-open" && (len(states) == 0 || states[len(states)-1] != to) {
			states = append(states, to)
		}
	}
	room := New(client, f.store, options, logger())
	if _, err := room.Enter(t.Context(), show, 1); err != nil {
		t.Fatal(err)
	}
	wire.cut()
	for range 20 {
		if _, err := room.Enter(t.Context(), show, 1); !errors.Is(err, domain.ErrWaitingRoomUnavailable) {
			t.Fatalf("while Redis is away: %v", err)
		}
	}
	wire.mend()
	if _, err := room.Enter(t.Context(), show, 1); err != nil {
		t.Fatalf("when Redis is back: %v", err)
	}
	if !slices.Equal(states, []string{"open", "closed"}) {
		t.Errorf("the circuit breaker was %q", states)
	}
	if metrics.unavailable != 20 {
		t.Errorf("the metric counted %d; want 20", metrics.unavailable)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := room.Enter(cancelled, show, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that went away: %v", err)
	}
}

type metricsSpy struct{ unavailable, admitted int }

func (m *metricsSpy) RoomUnavailable()   { m.unavailable++ }
func (m *metricsSpy) RoomAdmitted(n int) { m.admitted += n }

func TestAWorkerLogsAnOutageOnce(t *testing.T) {
	t.Parallel()
	f := setup(t)
	client, wire := wired(t, f.client)
	lines := &lockedLines{}
	options := f.options
	options.AdmitInterval = 20 * time.Millisecond // polls often
	room := New(f.client, f.store, options, logger())
	log := slog.New(slog.NewTextHandler(lines, nil))
	outage := redisoutage.New(log)
	client.AddHook(outage)
	worker := NewWorker(room, client, outage, log)
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	defer worker.Stop()
	eventually(t, "the queue was reached", func() bool { return worker.Ping() == nil })
	wire.cut()
	for range 20 {
		if err := worker.Ping(); err == nil {
			t.Fatal("the queue was reached although the wire is cut")
		}
	}
	wire.mend()
	eventually(t, "both lines were there", func() bool { return strings.Count(lines.String(), "\n") >= 2 })
	if got := strings.Count(lines.String(), "\n"); got > 2 {
		t.Errorf("an outage is %d lines:\n%s", got, lines.String())
	}
	if got := lines.String(); !strings.Contains(got, "does not answer") || !strings.Contains(got, "answers again") {
		t.Errorf("the lines do not say what happened:\n%s", got)
	}
}

// lockedLines takes what goroutines log.
type lockedLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
