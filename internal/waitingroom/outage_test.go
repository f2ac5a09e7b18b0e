package waitingroom

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/rediskit"
)

func TestRoom_OutageIsAnErrorAndNoLostPlace(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1))
	metrics := &metricsSpy{}
	options := f.options
	options.Metrics = metrics
	room, wire := f.wired(t, options, rediskit.Options{Cooldown: time.Nanosecond}) // every call is an attempt
	before, err := room.Enter(t.Context(), show, 1)
	if err != nil {
		t.Fatal(err)
	}
	wire.Cut()
	for range 5 {
		_, err := room.Enter(t.Context(), show, 1)
		if !errors.Is(err, domain.ErrWaitingRoomUnavailable) || !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatalf("in the outage: %v", err)
		}
	}
	wire.Mend()
	if after, err := room.Enter(t.Context(), show, 1); err != nil || after != before {
		t.Fatalf("after the outage: %+v, %v; before %+v", after, err, before)
	}
	if metrics.unavailable != 5 {
		t.Errorf("the metric counted %d; want 5", metrics.unavailable)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := room.Enter(cancelled, show, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled request: %v", err)
	}
}

type metricsSpy struct{ unavailable, admitted int }

func (m *metricsSpy) RoomUnavailable()   { m.unavailable++ }
func (m *metricsSpy) RoomAdmitted(n int) { m.admitted += n }

// The worker polls several times a second. An outage is logged by the client alone.
func TestWorker_OutageIsTwoLines(t *testing.T) {
	t.Parallel()
	f := setup(t)
	lines := &lockedLines{}
	log := slog.New(slog.NewTextHandler(lines, nil))
	options := f.options
	options.AdmitInterval = 20 * time.Millisecond // polls often
	room, wire := f.wired(t, options, rediskit.Options{Cooldown: time.Millisecond, Log: log})
	worker := NewWorker(room, log)
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	defer worker.Stop()
	reached := func() bool { _, err := worker.Queue(); return err == nil }
	eventually(t, "the queue can be read", reached)
	wire.Cut()
	eventually(t, "the outage is noticed", room.client.Down)
	for range 20 {
		if _, err := worker.Queue(); !errors.Is(err, rediskit.ErrUnavailable) {
			t.Fatalf("in the outage: %v", err)
		}
	}
	wire.Mend()
	eventually(t, "its end is noticed", func() bool { return reached() && !room.client.Down() })
	text := lines.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, "breaker opened") || !strings.Contains(text, "breaker closed") {
		t.Errorf("an outage is logged as\n%s", text)
	}
}

// lockedLines is a writer that goroutines may share.
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
