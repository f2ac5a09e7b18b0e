package waitingroom

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
)

func TestEnter_PassUntilTheCapThenQueue(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 2, 2))
	until := f.clock.Now().Add(f.options.SessionTTL)
	for user := int64(1); user <= 2; user++ {
		want := domain.RoomStatus{ShowID: show, State: domain.RoomAdmitted, AdmittedUntil: until}
		if diff := cmp.Diff(want, f.enter(t, user)); diff != "" {
			t.Fatalf("user %d (-want +got):\n%s", user, diff)
		}
	}
	third := f.enter(t, 3)
	if third.State != domain.RoomWaiting || third.Position != 1 || len(third.Token) != 22 || third.EstimatedWait != 0 {
		t.Fatalf("the third user got %+v", third)
	}
	f.enter(t, 4)
	f.clock.Advance(f.options.Grace + time.Second)
	if again := f.enter(t, 3); again != third {
		t.Fatalf("asking again: %+v; want %+v", again, third)
	}
}

func TestEnter_FreedSlotGoesToTheNextInLine(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 10))
	f.enter(t, 1)
	f.enter(t, 2)
	f.end(t, 1)
	if got := f.enter(t, 3); got.State != domain.RoomWaiting || got.Position != 2 {
		t.Fatalf("a newcomer got %+v", got)
	}
	f.tick(t)
	if got := f.ask(t, 2); got.State != domain.RoomAdmitted {
		t.Fatalf("the next in line got %+v", got)
	}
	if got := f.ask(t, 3); got.State != domain.RoomWaiting || got.Position != 1 {
		t.Fatalf("the newcomer got %+v", got)
	}
}

func TestLeave_EndsThePlace(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1))
	place := f.enter(t, 1)
	if err := f.Leave(t.Context(), show, 1); err != nil {
		t.Fatal(err)
	}
	if got := f.ask(t, 1); got.State != domain.RoomNone {
		t.Fatalf("after leaving: %+v", got)
	}
	if again := f.enter(t, 1); again.Token == place.Token {
		t.Fatal("a new place has the token of the old one")
	}
}

func TestTick_AbsentUserIsSkippedAndKeepsThePlace(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1))
	first := f.enter(t, 1)
	f.enter(t, 2)
	f.enter(t, 3)
	f.clock.Advance(f.options.Grace + time.Second)
	f.ask(t, 2)
	f.ask(t, 3)
	f.tick(t)
	if got := f.ask(t, 2); got.State != domain.RoomAdmitted {
		t.Fatalf("user 2, who is present, got %+v", got)
	}
	if view := f.view(t); view.Waiting != 2 || view.Away != 1 {
		t.Fatalf("%d hold a place, %d are away; want 2 and 1", view.Waiting, view.Away)
	}
	if got := f.ask(t, 1); got != first {
		t.Fatalf("user 1, who is back, got %+v; want %+v", got, first)
	}
	f.clock.Advance(f.options.Abandon + time.Millisecond)
	if got := f.ask(t, 1); got.State != domain.RoomNone {
		t.Fatalf("user 1, who was away for too long, got %+v", got)
	}
	f.tick(t)
	if view := f.view(t); view.Waiting != 0 {
		t.Fatalf("%d hold a place that was abandoned", view.Waiting)
	}
}

func TestTick_ManyAbsentUsersDoNotStallTheQueue(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 10, 10))
	const ghosts = 3*tickBudget + 1
	pipe := f.client.Pipeline()
	f.enter(t, 1) // creates the room
	for user := 2; user <= ghosts; user++ {
		pipe.ZAdd(t.Context(), keys(show)[2], redis.Z{Score: float64(user), Member: user})
		pipe.ZAdd(t.Context(), keys(show)[4], redis.Z{Score: float64(f.clock.Now().UnixMilli()), Member: user})
	}
	pipe.HSet(t.Context(), keys(show)[1], "seq", ghosts)
	if _, err := pipe.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.clock.Advance(f.options.Grace + time.Second)
	f.enter(t, ghosts+1)
	if tick := f.tick(t); tick.Admitted != 1 {
		t.Fatalf("the tick admitted %d; want 1", tick.Admitted)
	}
	if view := f.view(t); view.Away != ghosts {
		t.Fatalf("%d are away; want %d", view.Away, ghosts)
	}
	f.clock.Advance(f.options.Abandon)
	if tick := f.tick(t); tick.Waiting != 0 {
		t.Fatalf("%d hold a place that was abandoned", tick.Waiting)
	}
}

func TestEnter_RaceForTheLastSlots(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 50, 10))
	var admitted sync.Map
	var all sync.WaitGroup
	for user := int64(1); user <= 200; user++ {
		all.Go(func() {
			status, err := f.Enter(t.Context(), show, user)
			if err != nil {
				t.Error(err)
			}
			if status.State == domain.RoomAdmitted {
				admitted.Store(user, nil)
			}
		})
	}
	all.Wait()
	n := 0
	admitted.Range(func(any, any) bool { n++; return true })
	if n != 50 {
		t.Fatalf("%d passed; want 50", n)
	}
}

func TestTick_OneBatchAnInterval(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1000, 5))
	for user := int64(1); user <= 40; user++ {
		f.enter(t, user)
	}
	for range 3 {
		var all sync.WaitGroup
		var mu sync.Mutex
		admitted := 0
		for range 10 {
			all.Go(func() {
				tick, err := f.Tick(t.Context(), show)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				admitted += tick.Admitted
			})
		}
		all.Wait()
		if admitted != 5 {
			t.Fatalf("ten ticks admitted %d; want one batch of 5", admitted)
		}
		f.clock.Advance(f.options.AdmitInterval)
	}
}

func TestEnter_AdmissionExpires(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 1))
	f.enter(t, 1)
	f.clock.Advance(f.options.SessionTTL - time.Millisecond)
	if got := f.enter(t, 1); got.State != domain.RoomAdmitted || !got.AdmittedUntil.Equal(f.clock.Now().Add(time.Millisecond)) {
		t.Fatalf("just before the end: %+v", got)
	}
	if got := f.enter(t, 2); got.State != domain.RoomWaiting {
		t.Fatalf("user 2 got %+v although user 1 is admitted", got)
	}
	f.clock.Advance(time.Millisecond)
	if got := f.ask(t, 1); got.State != domain.RoomNone {
		t.Fatalf("at the end: %+v", got)
	}
}

func TestConfigure_Modes(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 1, 5))
	configure := func(mode domain.RoomMode) {
		t.Helper()
		if _, err := f.Configure(t.Context(), show, domain.RoomChange{Mode: domain.Change[domain.RoomMode]{Set: true, Value: &mode}}); err != nil {
			t.Fatal(err)
		}
	}
	configure(domain.RoomClosed)
	if got := f.enter(t, 1); got.State != domain.RoomWaiting {
		t.Fatalf("closed: %+v", got)
	}
	if tick := f.tick(t); tick.Admitted != 0 || tick.Waiting != 1 {
		t.Fatalf("closed: tick %+v", tick)
	}
	configure(domain.RoomPassthrough)
	if got := f.enter(t, 2); got.State != domain.RoomAdmitted {
		t.Fatalf("passthrough: %+v", got)
	}
	f.enter(t, 3)
	if tick := f.tick(t); tick.Admitted != 1 {
		t.Fatalf("passthrough: the tick admitted %d; want the user who still waited", tick.Admitted)
	}
	configure(domain.RoomAuto)
	if got := f.enter(t, 4); got.State != domain.RoomWaiting {
		t.Fatalf("auto, with 3 admitted and a cap of 1: %+v", got)
	}
	for user := int64(1); user <= 3; user++ {
		if err := f.Leave(t.Context(), show, user); err != nil {
			t.Fatal(err)
		}
	}
	configure(domain.RoomQueueAll)
	f.clock.Advance(f.options.AdmitInterval)
	f.tick(t)
	if got := f.ask(t, 4); got.State != domain.RoomAdmitted {
		t.Fatalf("queue_all: %+v", got)
	}
	if err := f.Leave(t.Context(), show, 4); err != nil {
		t.Fatal(err)
	}
	if got := f.enter(t, 5); got.State != domain.RoomWaiting {
		t.Fatalf("queue_all, with nobody admitted: %+v", got)
	}
}

func TestConfigure_OlderVersionIsIgnored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	maxUsers := int64(9)
	change := domain.RoomChange{MaxUsers: domain.Change[int64]{Set: true, Value: &maxUsers}}
	if _, err := f.Configure(t.Context(), show, change); err != nil {
		t.Fatal(err)
	}
	// Another instance has read the settings before the change.
	if _, err := f.once(t.Context(), f.scripts.view, keys(show), show, &domain.RoomOverrides{}); err != nil {
		t.Fatal(err)
	}
	if view := f.view(t); view.Settings.MaxUsers != 9 {
		t.Fatalf("the cap is %d; want 9", view.Settings.MaxUsers)
	}
	change = domain.RoomChange{MaxUsers: domain.Change[int64]{Set: true}}
	view, err := f.Configure(t.Context(), show, change)
	if err != nil || view.Settings != f.options.Defaults {
		t.Fatalf("reset: %+v, %v; want %+v", view.Settings, err, f.options.Defaults)
	}
}

func TestView_Counts(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 2, 2))
	for user := int64(1); user <= 5; user++ {
		f.enter(t, user)
		f.clock.Advance(5 * time.Second)
	}
	// User 3 entered 15 s ago; users 1 and 2 were admitted within the last minute.
	want := domain.RoomView{
		ShowID: show, Settings: f.options.Defaults,
		Waiting: 3, Admitted: 2, AdmittedLastMinute: 2, OldestWait: 15 * time.Second,
	}
	if diff := cmp.Diff(want, f.view(t)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	f.clock.Advance(time.Minute)
	if got := f.view(t).AdmittedLastMinute; got != 0 {
		t.Fatalf("%d were admitted during the last minute; want 0", got)
	}
}

func TestRoom_FlushedRedis(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomQueueAll, 1, 1))
	before := f.enter(t, 1)
	f.client.FlushDB(t.Context())
	if got := f.ask(t, 1); got.State != domain.RoomNone {
		t.Fatalf("after the flush: %+v", got)
	}
	f.clock.Advance(time.Millisecond)
	f.enter(t, 2)
	if got := f.enter(t, 1); got.Position != 2 || got.Token == before.Token {
		t.Fatalf("queueing again: %+v; before %+v", got, before)
	}
	if tick := f.tick(t); tick.Admitted != 1 {
		t.Fatalf("the tick after the flush admitted %d", tick.Admitted)
	}
}

func TestRoom_UnknownShowLeavesNoKeys(t *testing.T) {
	t.Parallel()
	f := setup(t)
	f.store.gone[show] = true
	if _, err := f.Enter(t.Context(), show, 1); !errors.Is(err, domain.ErrShowNotFound) {
		t.Fatalf("enter: %v", err)
	}
	if _, err := f.Status(t.Context(), show, 1); !errors.Is(err, domain.ErrShowNotFound) {
		t.Fatalf("status: %v", err)
	}
	if _, err := f.View(t.Context(), show); !errors.Is(err, domain.ErrShowNotFound) {
		t.Fatalf("view: %v", err)
	}
	if err := f.Leave(t.Context(), show, 1); !errors.Is(err, domain.ErrShowNotFound) {
		t.Fatalf("leave: %v", err)
	}
	if err := f.End(t.Context(), show, 1, f.clock.Now()); err != nil {
		t.Fatalf("end: %v", err)
	}
	if tick, err := f.Tick(t.Context(), show); err != nil || tick.Waiting != 0 {
		t.Fatalf("tick: %+v, %v", tick, err)
	}
	if left := f.client.Keys(t.Context(), "*").Val(); len(left) > 0 {
		t.Fatalf("keys left: %v", left)
	}
}

func TestRoom_AllKeysExpire(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 2, 1))
	for user := int64(1); user <= 6; user++ {
		f.enter(t, user)
	}
	f.clock.Advance(f.options.Grace + time.Second)
	for user := int64(4); user <= 6; user++ {
		f.ask(t, user)
	}
	if err := f.Leave(t.Context(), show, 1); err != nil {
		t.Fatal(err)
	}
	f.tick(t)
	existing := f.client.Keys(t.Context(), "wr:{*").Val()
	if len(existing) != len(keys(show)) {
		t.Fatalf("the test has made the keys %v, not all %d", existing, len(keys(show)))
	}
	for _, key := range existing {
		if ttl := f.client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > f.options.idleTTL() {
			t.Errorf("%s expires in %v", key, ttl)
		}
	}
}

func TestRoom_ConcurrentCallsShareAQuery(t *testing.T) {
	t.Parallel()
	f := setup(t)
	var all sync.WaitGroup
	for user := int64(1); user <= 100; user++ {
		all.Go(func() { f.enter(t, user) })
	}
	all.Wait()
	reads := f.store.reads
	for user := int64(1); user <= 100; user++ {
		f.enter(t, user)
	}
	if f.store.reads != reads || reads > 100 {
		t.Fatalf("the settings were read %d times, and %d times when they were known", reads, f.store.reads-reads)
	}
}
