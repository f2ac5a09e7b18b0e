package redisbatch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// wire stands in for Redis: each round trip waits until it may go on, and answers every command with its
// last word, or fails when its time is over.
type wire struct {
	mu    sync.Mutex
	trips []int // commands in each
	begun chan struct{}
	pass  chan struct{}
}

func (w *wire) DialHook(next redis.DialHook) redis.DialHook { return next }

func (w *wire) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return w.trip(ctx, cmd) }
}

func (w *wire) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return w.trip(ctx, cmds...) }
}

func (w *wire) trip(ctx context.Context, cmds ...redis.Cmder) error {
	w.mu.Lock()
	w.trips = append(w.trips, len(cmds))
	w.mu.Unlock()
	w.begun <- struct{}{}
	var err error
	select {
	case <-w.pass:
	case <-ctx.Done():
		err = ctx.Err()
	}
	for _, cmd := range cmds {
		cmd.SetErr(err)
		if c, ok := cmd.(*redis.Cmd); ok && err == nil {
			c.SetVal(c.Args()[len(c.Args())-1])
		}
	}
	return err
}

var script = redis.NewScript("return ARGV[1]")

// batch gives a Batch over a wire.
func batch(t *testing.T, timeout time.Duration) (*Batch, *wire) {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "nowhere.invalid:1"})
	t.Cleanup(func() { _ = client.Close() })
	w := &wire{begun: make(chan struct{}, 100), pass: make(chan struct{})}
	client.AddHook(w)
	return New(client, timeout), w
}

// waits returns once n calls wait.
func (b *Batch) waits(t *testing.T, n int) {
	t.Helper()
	often := time.NewTicker(time.Millisecond)
	defer often.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		b.mu.Lock()
		waiting := len(b.waiting)
		b.mu.Unlock()
		if waiting == n {
			return
		}
		select {
		case <-often.C:
		case <-ctx.Done():
			t.Fatalf("%d calls wait, want %d", waiting, n)
		}
	}
}

// What comes while round trips are under way goes into the next one, and each gets its own answer.
func TestWhatWaitsSharesARoundTrip(t *testing.T) {
	t.Parallel()
	b, w := batch(t, time.Minute)
	var calls sync.WaitGroup
	call := func(i int) {
		calls.Go(func() {
			result, err := b.Run(t.Context(), script, []string{"{k}"}, i)
			if err != nil || fmt.Sprint(result.Val()) != fmt.Sprint(i) {
				t.Errorf("call %d: %v, %v", i, result, err)
			}
		})
	}
	for i := range maxFlying {
		call(i)
		<-w.begun
	}
	const more = 10
	for i := range more {
		call(maxFlying + i)
	}
	b.waits(t, more)
	close(w.pass)
	calls.Wait()
	if got, want := fmt.Sprint(w.trips), fmt.Sprint([]int{1, 1, more}); got != want {
		t.Errorf("the round trips had %s commands, want %s", got, want)
	}
}

// When Redis is silent, those who came meanwhile have waited long enough: none of them is sent after
// those that failed.
func TestASilentRedisIsNotAskedAgainByThoseWhoWait(t *testing.T) {
	t.Parallel()
	b, w := batch(t, 5*time.Second)
	var calls sync.WaitGroup
	var unsent atomic.Int32
	call := func() {
		calls.Go(func() {
			result, err := b.Run(t.Context(), script, []string{"{k}"})
			if err != nil || !errors.Is(result.Err(), context.DeadlineExceeded) {
				t.Errorf("%v, %v", result, err)
			}
			if errors.Is(result.Err(), ErrNotSent) {
				unsent.Add(1)
			}
		})
	}
	call()
	<-w.begun
	call()
	<-w.begun
	for range 10 {
		call()
	}
	b.waits(t, 10)
	calls.Wait()
	if len(w.trips) != maxFlying || unsent.Load() != 10 {
		t.Errorf("Redis was asked %d times, %v commands; %d were not sent", len(w.trips), w.trips, unsent.Load())
	}
}

// One connection that hangs says nothing about another one: who waits is failed only when nothing was answered
// since the round trip began that has run out of time.
func TestAHangingConnectionFailsItsOwnCallsAlone(t *testing.T) {
	t.Parallel()
	b, w := batch(t, time.Minute)
	began := time.Now()
	close(w.pass)
	if _, err := b.Run(t.Context(), script, []string{"{k}"}, 1); err != nil {
		t.Fatal(err)
	}
	c := &call{news: make(chan news, 2)}
	b.waiting = []*call{c}
	b.ended(began, context.DeadlineExceeded)
	if len(b.waiting) != 1 || len(c.news) != 0 {
		t.Error("a call is failed although Redis has answered another one meanwhile")
	}
	b.ended(time.Now(), context.DeadlineExceeded)
	if len(b.waiting) != 0 || len(c.news) != 1 || !errors.Is(c.result.Err(), ErrNotSent) {
		t.Error("a call waits on for a Redis that is silent")
	}
}

// Who leads goes on for others only until their own call is under way, whoever has sent it.
func TestALeaderWhoseCallWasSentHandsOn(t *testing.T) {
	t.Parallel()
	b, w := batch(t, time.Minute)
	b.flying = maxFlying // the one below, and one of which nothing is heard
	run := func(calls *sync.WaitGroup) {
		calls.Go(func() {
			if _, err := b.Run(t.Context(), script, []string{"{k}"}, 1); err != nil {
				t.Error(err)
			}
		})
	}
	var first, second sync.WaitGroup
	run(&first)
	b.waits(t, 1)
	led := make(chan struct{})
	go func() {
		defer close(led)
		b.send(t.Context(), &call{}) // somebody else has sent it
	}()
	<-w.begun
	run(&second)
	b.waits(t, 1)
	w.pass <- struct{}{}
	first.Wait()
	<-w.begun // the second leads itself
	<-led
	w.pass <- struct{}{}
	second.Wait()
}

// A call whose client has gone ends at once while it waits, and is not sent.
func TestACallThatWaitsCanBeGivenUp(t *testing.T) {
	t.Parallel()
	b, w := batch(t, time.Minute)
	var calls sync.WaitGroup
	for range maxFlying {
		calls.Go(func() { _, _ = b.Run(t.Context(), script, []string{"{k}"}) })
		<-w.begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	calls.Go(func() {
		if _, err := b.Run(ctx, script, []string{"{k}"}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	b.waits(t, 1)
	cancel()
	b.waits(t, 0)
	close(w.pass)
	calls.Wait()
	if len(w.trips) != maxFlying {
		t.Errorf("%d round trips", len(w.trips))
	}
}
