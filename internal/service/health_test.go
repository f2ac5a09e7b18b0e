package service_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
)

// watched is a store that can fail.
type watched struct {
	asked  atomic.Int32
	err    error
	hang   bool // until the context is done
	deaf   bool // ignores its context
	state  service.SchemaState
	unhang chan struct{}
}

func (s *watched) Ping(ctx context.Context) error {
	s.asked.Add(1)
	if s.deaf {
		<-s.unhang
	}
	if s.hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return s.err
}

func (s *watched) InspectRedis(ctx context.Context) (service.RedisState, error) {
	return service.RedisState{MaxmemoryPolicy: "noeviction"}, s.Ping(ctx)
}

func (s *watched) InspectSchema(ctx context.Context) (service.SchemaState, error) {
	return s.state, s.Ping(ctx)
}

func newHealth(database, redis, schema *watched) *service.Health {
	h := service.NewHealth(service.HealthDeps{
		Database: database, Redis: redis, Queue: redis, Schema: schema,
		Version: "1", Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	h.SetReady()
	return h
}

func TestHealth_StatusByStore(t *testing.T) {
	t.Parallel()
	down := errors.New("gone")
	tests := map[string]struct {
		database, redis, schema *watched
		status, ready, schemaIs service.HealthStatus
	}{
		"all well":         {&watched{}, &watched{}, &watched{}, "OK", "OK", "OK"},
		"no redis":         {&watched{}, &watched{err: down}, &watched{}, "DEGRADED", "OK", "OK"},
		"no database":      {&watched{err: down}, &watched{}, &watched{err: down}, "DOWN", "DOWN", "DOWN"},
		"busy database":    {&watched{err: domain.ErrOverloaded}, &watched{}, &watched{}, "DEGRADED", "OK", "OK"},
		"older schema":     {&watched{}, &watched{}, &watched{state: service.SchemaState{Expected: 2, Applied: 1}}, "DEGRADED", "OK", "MISMATCH"},
		"newer schema":     {&watched{}, &watched{}, &watched{state: service.SchemaState{Expected: 2, Applied: 3}}, "DEGRADED", "OK", "MISMATCH"},
		"missing index":    {&watched{}, &watched{}, &watched{state: service.SchemaState{MissingIndexes: []string{"x"}}}, "DEGRADED", "OK", "MISMATCH"},
		"everything hangs": {&watched{hang: true}, &watched{hang: true}, &watched{hang: true}, "DOWN", "DOWN", "DOWN"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHealth(tt.database, tt.redis, tt.schema)
				if got := h.Report(t.Context()).Status; got != tt.status {
					t.Errorf("status %s, want %s", got, tt.status)
				}
				if got := h.Ready(t.Context()); got != tt.ready {
					t.Errorf("ready %s, want %s", got, tt.ready)
				}
				if got, _ := h.Schema(t.Context()); got != tt.schemaIs {
					t.Errorf("schema %s, want %s", got, tt.schemaIs)
				}
			})
		})
	}
}

func TestReady_StartThenServeThenDrain(t *testing.T) {
	t.Parallel()
	s := &watched{}
	h := service.NewHealth(service.HealthDeps{
		Database: s, Redis: s, Queue: s, Schema: s, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if got := h.Ready(t.Context()); got != service.HealthStarting {
		t.Errorf("%s before it is ready", got)
	}
	h.SetReady()
	if got := h.Ready(t.Context()); got != service.HealthOK {
		t.Errorf("%s when it is ready", got)
	}
	h.SetDraining()
	if got := h.Ready(t.Context()); got != service.HealthDraining {
		t.Errorf("%s when it drains", got)
	}
}

func TestReport_UnderTwoSecondsIfAStoreHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		deaf := &watched{deaf: true, unhang: make(chan struct{})}
		h := newHealth(deaf, &watched{hang: true}, &watched{})
		for range 3 {
			start := time.Now()
			if got := h.Report(t.Context()); got.Status != service.HealthDown || got.Database.Latency < time.Second {
				t.Errorf("%s after %s", got.Status, got.Database.Latency)
			}
			if took := time.Since(start); took >= 2*time.Second {
				t.Errorf("took %s", took)
			}
		}
		if deaf.asked.Load() != 1 {
			t.Errorf("a store that hangs was asked %d times at once", deaf.asked.Load())
		}
		close(deaf.unhang)
		h.Close(t.Context())
	})
}

func TestReport_ConcurrentCallsShareACheck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &watched{}
		h := newHealth(s, &watched{}, &watched{})
		ask := func() {
			var all sync.WaitGroup
			for range 200 {
				all.Go(func() {
					h.Ready(t.Context())
					h.Report(t.Context())
				})
			}
			all.Wait()
		}
		ask()
		if s.asked.Load() != 1 {
			t.Errorf("asked %d times, want 1", s.asked.Load())
		}
		<-time.After(time.Second)
		ask()
		if s.asked.Load() != 2 {
			t.Errorf("asked %d times a second later, want 2", s.asked.Load())
		}
	})
}
