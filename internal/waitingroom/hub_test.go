package waitingroom

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"evently/internal/domain"
)

// run gives a running hub over a room.
func run(t testing.TB, f *fixture, room *Room, options HubOptions) *Hub {
	t.Helper()
	hub := NewHub(room, f.client, options, logger())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return hub
}

// await reads updates, besides heartbeats, up to the first that has the state.
func await(t *testing.T, updates <-chan domain.RoomUpdate, state domain.RoomState) domain.RoomStatus {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case update, open := <-updates:
			if !open {
				t.Fatalf("the stream was closed before its user was %s", state)
			}
			if !update.Heartbeat && update.Status.State == state {
				return update.Status
			}
		case <-deadline:
			t.Fatalf("in half a minute nothing told the stream that its user is %s", state)
		}
	}
}

func TestHoldingAStreamIsASignOfLife(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomClosed, 1, 1), func(o *Options) { o.Grace = 30 * time.Millisecond }) // sweeps often
	place := f.enter(t, 1)
	hub := run(t, f, f.Room, HubOptions{})
	updates, stop, err := hub.Watch(t.Context(), show, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 4 {
		f.clock.Advance(f.options.Abandon - time.Second)
		now := float64(f.clock.Now().UnixMilli())
		eventually(t, "the user was seen", func() bool { return f.client.ZScore(t.Context(), keys(show)[4], "1").Val() == now })
	}
	if told := await(t, updates, domain.RoomWaiting); told != place {
		t.Fatalf("the stream told %+v; want %+v", told, place)
	}
}

// Between two sweeps, which this test does not live to see, streams hear of changes by pub/sub.
func TestChangesArePushed(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1), func(o *Options) { o.Grace, o.Abandon = time.Hour, time.Hour })
	// All databases of a Redis share its channels: a show of its own hears nothing of other tests.
	const show = int64(991)
	enter := func(user int64) {
		t.Helper()
		if _, err := f.Enter(t.Context(), show, user); err != nil {
			t.Fatal(err)
		}
	}
	hub := run(t, f, f.Room, HubOptions{})
	updates, stop, err := hub.Watch(t.Context(), show, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	next := func(state domain.RoomState, position int64) {
		t.Helper()
		select {
		case update := <-updates:
			if update.Heartbeat {
				update = <-updates
			}
			if update.Status.State != state || update.Status.Position != position {
				t.Fatalf("the stream told %+v; want %s at %d", update.Status, state, position)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing told the stream that its user is %s at %d", state, position)
		}
	}
	subscribed := func() bool { return f.client.PubSubNumSub(t.Context(), channel).Val()[channel] > 0 }
	eventually(t, "the hub listened", subscribed)
	tick := func() {
		f.clock.Advance(f.options.AdmitInterval)
		if _, err := f.Tick(t.Context(), show); err != nil {
			t.Fatal(err)
		}
	}

	next(domain.RoomNone, 0)
	enter(1)
	enter(2)
	next(domain.RoomWaiting, 2)
	tick()
	next(domain.RoomWaiting, 1)
	if err := f.Settle(t.Context(), 1, domain.SeatLock{ShowID: show}); err != nil {
		t.Fatal(err)
	}
	tick()
	next(domain.RoomAdmitted, 0)
	if err := f.Leave(t.Context(), show, 2); err != nil {
		t.Fatal(err)
	}
	next(domain.RoomNone, 0)

	// A leaver moves up those behind with the next tick, although that one can admit nobody.
	enter(3)
	tick()
	enter(4)
	enter(2)
	next(domain.RoomWaiting, 2)
	if err := f.Leave(t.Context(), show, 4); err != nil {
		t.Fatal(err)
	}
	tick()
	next(domain.RoomWaiting, 1)
}

func TestASlowStreamGetsTheLatestStatusAlone(t *testing.T) {
	t.Parallel()
	const users = 20
	f := setup(t, settings(domain.RoomQueueAll, users, 1), func(o *Options) { o.Grace, o.Abandon = time.Hour, time.Hour })
	for user := int64(1); user <= users; user++ {
		f.enter(t, user)
	}
	hub := run(t, f, f.Room, HubOptions{})
	slow, stop, err := hub.Watch(t.Context(), show, users)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	quick, stopQuick, err := hub.Watch(t.Context(), show, users)
	if err != nil {
		t.Fatal(err)
	}
	defer stopQuick()
	for range users {
		f.clock.Advance(f.options.AdmitInterval)
		f.tick(t)
	}
	await(t, quick, domain.RoomAdmitted)
	update := <-slow
	if update.Heartbeat {
		update = <-slow
	}
	if update.Status.State != domain.RoomAdmitted {
		t.Fatalf("the slow stream got %+v", update)
	}
}

// Streams stay open through an outage and hear what changed meanwhile.
func TestStreamsOutliveAnOutage(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 100, 1))
	f.enter(t, 1)
	client, wire := wired(t, f.client)
	options := f.options
	options.Cooldown, options.Grace = time.Millisecond, time.Hour // no sweep helps
	room := New(client, f.store, options, logger())
	hub := NewHub(room, client, HubOptions{}, logger())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	defer func() { cancel(); running.Wait() }()

	updates, stop, err := hub.Watch(t.Context(), show, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	await(t, updates, domain.RoomWaiting)
	listening := func() bool { return f.client.PubSubNumSub(t.Context(), channel).Val()[channel] > 0 }
	eventually(t, "the hub listened", listening)
	wire.cut()
	f.tick(t) // nobody can tell the hub
	wire.mend()
	await(t, updates, domain.RoomAdmitted)
}

func TestAStreamHearsThatAnAdmissionRanOut(t *testing.T) {
	t.Parallel()
	f := setup(t)
	options := f.options
	options.SessionTTL, options.Now = 100*time.Millisecond, nil
	options.Grace, options.Abandon = time.Hour, time.Hour // no sweep helps
	room := New(f.client, f.store, options, logger())
	hub := run(t, f, room, HubOptions{})
	if _, err := room.Enter(t.Context(), show, 1); err != nil {
		t.Fatal(err)
	}
	updates, stop, err := hub.Watch(t.Context(), show, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	await(t, updates, domain.RoomNone)
}

func TestTheHubForgetsStreamsThatEnd(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hub := run(t, f, f.Room, HubOptions{})
	for user := int64(1); user <= 50; user++ {
		_, stop, err := hub.Watch(t.Context(), user%5, user)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		stop() // twice is no error
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	if left := fmt.Sprint(hub.streams, len(hub.shows)); left != "0 0" {
		t.Fatalf("streams and shows that are left: %s", left)
	}
}
