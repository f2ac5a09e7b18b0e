package devstack

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// embeddedTick is how often the embedded Redis expires keys, and so how late an expiry may be.
const embeddedTick = 50 * time.Millisecond

// embeddedRedis is a miniredis whose clock runs. Left alone its keys never expire.
type embeddedRedis struct {
	server *miniredis.Miniredis
	port   int
	cancel context.CancelFunc
	done   chan struct{}
}

func startEmbeddedRedis(ctx context.Context, password string) (*embeddedRedis, error) {
	server := miniredis.NewMiniRedis()
	server.RequireAuth(password)
	if err := server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	port, err := strconv.Atoi(server.Port())
	if err != nil {
		server.Close()
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it outlives the start
	e := &embeddedRedis{server: server, port: port, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(e.done)
		e.runClock(ctx)
	}()
	return e, nil
}

// runClock takes the time that really went by off every TTL.
func (e *embeddedRedis) runClock(ctx context.Context) {
	tick := time.NewTicker(embeddedTick)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := time.Now()
			e.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (e *embeddedRedis) stop(context.Context) error {
	e.cancel()
	<-e.done
	e.server.Close()
	return nil
}
