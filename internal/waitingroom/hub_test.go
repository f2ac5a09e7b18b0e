package waitingroom

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/rediskit"
)

// run returns a running hub of a room.
func run(t testing.TB, room *Room, options HubOptions) *Hub {
	t.Helper()
	hub := NewHub(room, options, logger())
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { hub.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return hub
}

// await reads updates up to the first with the state.
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
			t.Fatalf("no update with %s", state)
		}
	}
}

func TestHub_AStreamIsASignOfLife(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomClosed, 1, 1), func(o *Options) { o.Grace = 30 * time.Millisecond }) // sweeps often
	place := f.enter(t, 1)
	hub := run(t, f.Room, HubOptions{})
	updates, stop, err := hub.Watch(t.Context(), show, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 4 {
		f.clock.Advance(f.options.Abandon - time.Second)
		now := float64(f.clock.Now().UnixMilli())
		eventually(t, "the sign of life is recorded", func() bool { return f.client.ZScore(t.Context(), keys(show)[4], "1").Val() == now })
	}
	if got := await(t, updates, domain.RoomWaiting); got != place {
		t.Fatalf("got %+v; want %+v", got, place)
	}
}

// Between two sweeps, which are an hour apart here, changes come by pub/sub.
func TestHub_ChangesArePushed(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1), func(o *Options) { o.Grace, o.Abandon = time.Hour, time.Hour })
	// All databases of a Redis share its channels, so this test has a show of its own.
	const show = int64(991)
	enter := func(user int64) {
		t.Helper()
		if _, err := f.Enter(t.Context(), show, user); err != nil {
			t.Fatal(err)
		}
	}
	hub := run(t, f.Room, HubOptions{})
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
				t.Fatalf("got %+v; want %s at %d", update.Status, state, position)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no update with %s at %d", state, position)
		}
	}
	subscribed := func() bool { return f.client.PubSubNumSub(t.Context(), channel).Val()[channel] > 0 }
	eventually(t, "the hub has subscribed", subscribed)
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
	if err := f.End(t.Context(), show, 1, f.clock.Now()); err != nil {
		t.Fatal(err)
	}
	tick()
	next(domain.RoomAdmitted, 0)
	if err := f.Leave(t.Context(), show, 2); err != nil {
		t.Fatal(err)
	}
	next(domain.RoomNone, 0)

	// When a user leaves, those behind move up with the next tick, even if it admits no one.
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

func TestHub_SlowStreamGetsTheLatestStatus(t *testing.T) {
	t.Parallel()
	const users = 20
	f := setup(t, settings(domain.RoomQueueAll, users, 1), func(o *Options) { o.Grace, o.Abandon = time.Hour, time.Hour })
	for user := int64(1); user <= users; user++ {
		f.enter(t, user)
	}
	hub := run(t, f.Room, HubOptions{})
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
		t.Fatalf("got %+v", update)
	}
}

func TestHub_StreamsSurviveAnOutage(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 100, 1))
	f.enter(t, 1)
	options := f.options
	options.Grace = time.Hour // no sweep
	room, wire := f.wired(t, options, rediskit.Options{Cooldown: time.Millisecond})
	hub := run(t, room, HubOptions{})

	updates, stop, err := hub.Watch(t.Context(), show, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	await(t, updates, domain.RoomWaiting)
	listening := func() bool { return f.client.PubSubNumSub(t.Context(), channel).Val()[channel] > 0 }
	eventually(t, "the hub has subscribed", listening)
	wire.Cut()
	f.tick(t) // its message is lost
	wire.Mend()
	await(t, updates, domain.RoomAdmitted)
}

func TestHub_ExpiredAdmissionIsAnUpdate(t *testing.T) {
	t.Parallel()
	f := setup(t)
	options := f.options
	options.SessionTTL, options.Now = 100*time.Millisecond, nil
	options.Grace, options.Abandon = time.Hour, time.Hour // no sweep
	room := f.with(options)
	hub := run(t, room, HubOptions{})
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

func TestHub_EndedStreamsAreForgotten(t *testing.T) {
	t.Parallel()
	f := setup(t)
	hub := run(t, f.Room, HubOptions{})
	for user := int64(1); user <= 50; user++ {
		_, stop, err := hub.Watch(t.Context(), user%5, user)
		if err != nil {
			t.Fatal(err)
		}
		stop()
		stop() // again
	}
	hub.mu.Lock()
	defer hub.mu.Unlock()
	if left := fmt.Sprint(hub.streams, len(hub.shows)); left != "0 0" {
		t.Fatalf("streams and shows left: %s", left)
	}
}

// While nothing moves the estimate of a status that is read again is lower, which is no event.
func TestHub_EstimateAloneIsNoEvent(t *testing.T) {
	t.Parallel()
	f := measured(t)
	hub := NewHub(f.Room, HubOptions{}, logger()) // the test is its loop
	updates, stop, err := hub.Watch(t.Context(), show, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	read := func() (domain.RoomStatus, bool) {
		hub.markAll()
		hub.refresh(t.Context())
		select {
		case update := <-updates:
			return update.Status, true
		default:
			return domain.RoomStatus{}, false
		}
	}
	first, ok := read()
	if !ok || first.EstimatedWait < 20*time.Second {
		t.Fatalf("the first event is %+v, %v", first, ok)
	}
	for range 10 {
		f.clock.Advance(time.Second)
		f.tick(t)
		if status, ok := read(); ok {
			t.Fatalf("nothing has moved, and there is an event: %+v; before %+v", status, first)
		}
	}
	f.admitOne(t)
	if status, ok := read(); !ok || status.Position != first.Position-1 {
		t.Fatalf("after an admission: %+v, %v; before %+v", status, ok, first)
	}
}

// Streams of a deleted show end on all instances.
func TestHub_StreamsOfADeletedShowEnd(t *testing.T) {
	t.Parallel()
	f := setup(t, func(o *Options) { o.Grace, o.Abandon = time.Hour, time.Hour }) // no sweep
	const show, other = int64(992), int64(993)
	one, two := run(t, f.Room, HubOptions{}), run(t, f.with(f.options), HubOptions{})
	var streams []<-chan domain.RoomUpdate
	for _, hub := range []*Hub{one, two} {
		updates, stop, err := hub.Watch(t.Context(), show, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		await(t, updates, domain.RoomNone)
		streams = append(streams, updates)
	}
	kept, stop, err := one.Watch(t.Context(), other, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	await(t, kept, domain.RoomNone)
	eventually(t, "both hubs have subscribed", func() bool { return f.client.PubSubNumSub(t.Context(), channel).Val()[channel] >= 2 })

	f.store.delete(show)
	if err := f.Close(t.Context(), show); err != nil {
		t.Fatal(err)
	}
	for i, updates := range streams {
		deadline := time.After(30 * time.Second)
		for open := true; open; {
			select {
			case _, open = <-updates:
			case <-deadline:
				t.Fatalf("stream %d is still open", i)
			}
		}
	}
	if _, _, err := two.Watch(t.Context(), show, 1); !errors.Is(err, domain.ErrShowNotFound) {
		t.Errorf("a new stream: %v", err)
	}
	if _, err := f.Enter(t.Context(), other, 1); err != nil {
		t.Fatal(err)
	}
	await(t, kept, domain.RoomAdmitted)
}
