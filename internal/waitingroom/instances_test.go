package waitingroom

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/rediskit"
	"evently/internal/testkit"
)

// instance is one of several processes: a room and a worker with connections of their own.
type instance struct {
	*Room
	wire *testkit.Wire
}

func start(t *testing.T, f *fixture, options Options) instance {
	t.Helper()
	room, wire := f.wired(t, options, rediskit.Options{Cooldown: time.Millisecond})
	worker := NewWorker(room, logger())
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(worker.Stop)
	return instance{room, wire}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("timed out waiting: %s", what)
		}
	}
}

func TestInstances_ShareAQueueAndOneIsKilled(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			rush(t, n)
		})
	}
}

func rush(t *testing.T, instances int) {
	const users, maxUsers = 200, 20
	f := setup(t)
	options := f.options
	options.Defaults = domain.RoomSettings{Mode: domain.RoomAuto, MaxUsers: maxUsers, BatchSize: 7}
	options.AdmitInterval = 40 * time.Millisecond
	options.Now = nil // the clock of Redis
	all := make([]instance, instances)
	for i := range all {
		all[i] = start(t, f, options)
	}
	observer := f.with(options)

	// An observer watches the cap all the time.
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	looks := 0
	watching.Go(func() {
		for ctx.Err() == nil {
			view, err := observer.View(ctx, show)
			if err != nil {
				continue
			}
			looks++
			if view.Admitted > maxUsers {
				t.Errorf("%d are admitted; the cap is %d", view.Admitted, maxUsers)
				return
			}
		}
	})
	defer func() {
		stop()
		watching.Wait()
		if looks < 20 {
			t.Errorf("the observer looked %d times only", looks)
		}
	}()

	var order []int64 // of arrival, users who have to wait
	for user := int64(1); user <= users; user++ {
		status, err := all[rand.IntN(instances)].Enter(t.Context(), show, user)
		if err != nil {
			t.Fatal(err)
		}
		if status.State == domain.RoomWaiting {
			order = append(order, user)
		}
	}
	if len(order) != users-maxUsers {
		t.Fatalf("%d wait; want %d", len(order), users-maxUsers)
	}

	done := map[int64]bool{} // admitted and ended
	alive := all
	eventually(t, "all were admitted", func() bool {
		room := alive[rand.IntN(len(alive))]
		statuses, err := room.statuses(t.Context(), show, order)
		if err != nil {
			t.Fatal(err)
		}
		// All statuses are of one instant: nobody waits who came before a user who is admitted.
		waits := int64(0)
		for i, status := range statuses {
			switch status.State {
			case domain.RoomWaiting:
				if waits == 0 {
					waits = order[i]
				}
			case domain.RoomAdmitted:
				if waits > 0 {
					t.Fatalf("user %d is admitted and user %d, who came before, waits", order[i], waits)
				}
			case domain.RoomNone:
				if !done[order[i]] {
					t.Fatalf("user %d lost the place", order[i])
				}
			}
		}
		if len(done) > users/3 && len(alive) == instances {
			alive[0].wire.Cut()
			alive = alive[1:]
		}
		for i, status := range statuses {
			if status.State == domain.RoomAdmitted {
				if err := alive[rand.IntN(len(alive))].End(t.Context(), show, order[i], time.Now()); err != nil {
					t.Fatal(err)
				}
				done[order[i]] = true
			}
		}
		for user := int64(1); user <= maxUsers; user++ { // who were admitted at once
			if err := alive[0].End(t.Context(), show, user, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		return len(done) == len(order)
	})
	if len(alive) == instances {
		t.Fatal("no instance was killed")
	}
}

// scheduled returns the ids of the ticks that asynq has.
func scheduled(t *testing.T, client redis.UniversalClient) []string {
	t.Helper()
	inspector := asynq.NewInspectorFromRedisClient(client)
	tasks, err := inspector.ListScheduledTasks(queueName)
	if err != nil {
		t.Fatal(err)
	}
	pending, err := inspector.ListPendingTasks(queueName)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, task := range slices.Concat(tasks, pending) {
		ids = append(ids, task.ID)
	}
	return ids
}

// lose removes the ticks that asynq has.
func lose(t *testing.T, client redis.UniversalClient) {
	t.Helper()
	inspector := asynq.NewInspectorFromRedisClient(client)
	if n, err := inspector.DeleteAllScheduledTasks(queueName); err != nil || n == 0 {
		t.Fatalf("%d tasks deleted, %v", n, err)
	}
}

func TestTick_LostOneIsScheduledAgain(t *testing.T) {
	t.Parallel()
	asks := map[string]func(*testing.T, *fixture) error{
		"poll": func(t *testing.T, f *fixture) error { _, err := f.Status(t.Context(), show, 1); return err },
		"lock again": func(t *testing.T, f *fixture) error {
			_, err := f.Enter(t.Context(), show, 1)
			return err
		},
		"join":     func(t *testing.T, f *fixture) error { _, err := f.Enter(t.Context(), show, 2); return err },
		"watchdog": func(t *testing.T, f *fixture) error { _, err := f.Watchdog(t.Context()); return err },
	}
	for name, ask := range asks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := setup(t, settings(domain.RoomQueueAll, 1, 1))
			f.enter(t, 1)
			first := scheduled(t, f.client)
			if len(first) != 1 {
				t.Fatalf("joining has scheduled %v; want one tick", first)
			}
			if err := ask(t, f); err != nil {
				t.Fatal(err)
			}
			if got := scheduled(t, f.client); !slices.Equal(got, first) {
				t.Fatalf("with one scheduled, asking has made it %v", got)
			}
			lose(t, f.client)
			f.clock.Advance(f.options.AdmitInterval)
			if err := ask(t, f); err != nil {
				t.Fatal(err)
			}
			if got := scheduled(t, f.client); len(got) != 0 {
				t.Fatalf("a tick that is not late yet was scheduled again: %v", got)
			}
			f.clock.Advance(2 * f.options.AdmitInterval)
			for range 3 {
				if err := ask(t, f); err != nil {
					t.Fatal(err)
				}
			}
			if got := scheduled(t, f.client); len(got) != 1 {
				t.Fatalf("after the loss %v are scheduled; want one tick", got)
			}
		})
	}
}

func TestWatchdog_RemovesRoomsInWhichNobodyWaits(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1))
	f.enter(t, 1)
	listed := func() []string { return f.client.SMembers(t.Context(), roomsKey).Val() }
	if lost, err := f.Watchdog(t.Context()); err != nil || lost != 0 || !slices.Equal(listed(), []string{"7"}) {
		t.Fatalf("one user waits: %v, %v", listed(), err)
	}
	if err := f.Leave(t.Context(), show, 1); err != nil {
		t.Fatal(err)
	}
	f.client.SAdd(t.Context(), roomsKey, "8", "nonsense")
	f.store.gone[8] = true
	if _, err := f.Watchdog(t.Context()); err != nil || len(listed()) != 0 {
		t.Fatalf("nobody waits: %v, %v", listed(), err)
	}
}

func TestWorker_ContinuesUntilTheQueueIsEmpty(t *testing.T) {
	t.Parallel()
	f := setup(t)
	options := f.options
	options.Defaults = domain.RoomSettings{Mode: domain.RoomQueueAll, MaxUsers: 1000, BatchSize: 1}
	options.AdmitInterval = 20 * time.Millisecond
	options.Now = nil
	one := start(t, f, options)
	for user := int64(1); user <= 10; user++ {
		if _, err := one.Enter(t.Context(), show, user); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all were admitted", func() bool { return f.client.ZCard(t.Context(), keys(show)[5]).Val() == 10 })
	eventually(t, "no task is left", func() bool {
		info, err := asynq.NewInspectorFromRedisClient(f.client).GetQueueInfo(queueName)
		return err == nil && info.Size == 0
	})
}

// Flushing Redis loses the queue and its task. Users who ask again queue again and are admitted.
func TestWorker_ContinuesAfterAFlush(t *testing.T) {
	t.Parallel()
	f := setup(t)
	options := f.options
	options.Defaults = domain.RoomSettings{Mode: domain.RoomQueueAll, MaxUsers: 5, BatchSize: 5}
	options.AdmitInterval = 40 * time.Millisecond
	options.Now = nil
	one := start(t, f, options)
	enter := func(user int64) domain.RoomStatus {
		status, err := one.Enter(t.Context(), show, user)
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	for round := range int64(3) {
		f.client.FlushDB(t.Context())
		enter(round)
		eventually(t, "the user was admitted", func() bool { return enter(round).State == domain.RoomAdmitted })
	}
}

func TestWorker_ContinuesAfterAnOutage(t *testing.T) {
	t.Parallel()
	f := setup(t)
	options := f.options
	options.Defaults = domain.RoomSettings{Mode: domain.RoomQueueAll, MaxUsers: 1000, BatchSize: 1}
	options.AdmitInterval = 40 * time.Millisecond
	options.Now = nil
	one := start(t, f, options)
	for user := int64(1); user <= 10; user++ {
		if _, err := one.Enter(t.Context(), show, user); err != nil {
			t.Fatal(err)
		}
	}
	observer := f.with(options)
	admitted := func() int64 {
		view, err := observer.View(t.Context(), show)
		if err != nil {
			t.Fatal(err)
		}
		return view.Admitted
	}
	eventually(t, "one was admitted", func() bool { return admitted() > 0 })
	one.wire.Cut()
	one.wire.Mend()
	eventually(t, "all were admitted", func() bool {
		_, _ = one.Status(t.Context(), show, 10)
		return admitted() == 10
	})
}

func TestWorker_InvalidTaskIsNotRetried(t *testing.T) {
	t.Parallel()
	f := setup(t)
	worker := &Worker{room: f.Room}
	for _, payload := range []string{"", "7", "x:1", "7:x"} {
		err := worker.admit(t.Context(), asynq.NewTask(taskType, []byte(payload)))
		if !errors.Is(err, asynq.SkipRetry) {
			t.Errorf("payload %q: %v", payload, err)
		}
	}
}

// After a tick the next one is expected, so that callers do not schedule another.
func TestTick_NextIsExpected(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomClosed, 1, 1))
	f.enter(t, 1)
	f.clock.Advance(f.options.AdmitInterval)
	f.tick(t)
	lose(t, f.client)
	f.clock.Advance(2*f.options.AdmitInterval - time.Millisecond)
	f.ask(t, 1)
	if got := scheduled(t, f.client); len(got) != 0 {
		t.Fatalf("asking has scheduled %v, which the worker does", got)
	}
}
