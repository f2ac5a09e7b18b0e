package waitingroom

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"evently/internal/domain"
)

// measured returns a room with a hundred users waiting, whose rate is known: one every two seconds.
func measured(t *testing.T) *fixture {
	t.Helper()
	f := setup(t, settings(domain.RoomQueueAll, 1000, 1), func(o *Options) { o.Grace, o.Abandon = time.Hour, time.Hour })
	for user := int64(1); user <= 100; user++ {
		f.enter(t, user)
	}
	f.tick(t)
	for range 40 {
		f.clock.Advance(f.options.AdmitInterval)
		f.tick(t)
	}
	f.limit(t, 1) // nobody is admitted from now on
	return f
}

// limit changes the cap of the room.
func (f *fixture) limit(t *testing.T, maxUsers int64) {
	t.Helper()
	change := domain.RoomChange{MaxUsers: domain.Change[int64]{Set: true, Value: &maxUsers}}
	if _, err := f.Configure(t.Context(), show, change); err != nil {
		t.Fatal(err)
	}
}

// admitOne lets one tick admit one user.
func (f *fixture) admitOne(t *testing.T) {
	t.Helper()
	f.limit(t, 1000)
	f.clock.Advance(f.options.AdmitInterval)
	if tick := f.tick(t); tick.Admitted != 1 {
		t.Fatalf("the tick admitted %d", tick.Admitted)
	}
	f.limit(t, 1)
}

func TestEstimate_CountsDownBetweenAdmissions(t *testing.T) {
	t.Parallel()
	f := measured(t)
	last := f.ask(t, 100)
	if last.Position != 59 || last.EstimatedWait < 110*time.Second || last.EstimatedWait > 125*time.Second {
		t.Fatalf("58 users ahead, one admitted every 2 s: %+v", last)
	}
	for range 60 {
		f.clock.Advance(time.Second)
		f.tick(t)
		status := f.ask(t, 100)
		if status.EstimatedWait != last.EstimatedWait-time.Second || !status.SameAs(last) {
			t.Fatalf("a second later: %+v; before %+v", status, last)
		}
		last = status
	}
	f.admitOne(t)
	if status := f.ask(t, 100); status.SameAs(last) || status.Position != 58 || status.ExpectedAt.Equal(last.ExpectedAt) {
		t.Fatalf("after an admission: %+v; before %+v", status, last)
	}
}

// An estimate that is over stays at a second, and is dropped when nothing has moved for minutes.
func TestEstimate_OverdueAndUnknown(t *testing.T) {
	t.Parallel()
	f := measured(t)
	for range 170 {
		f.clock.Advance(time.Second)
		f.tick(t)
	}
	if status := f.ask(t, 100); status.EstimatedWait != time.Second {
		t.Errorf("overdue: %+v", status)
	}
	for range 15 {
		f.clock.Advance(time.Second)
		f.tick(t)
	}
	if status := f.ask(t, 100); status.EstimatedWait != 0 || !status.ExpectedAt.IsZero() {
		t.Errorf("after three minutes without an admission: %+v", status)
	}
}

// In a steady queue the error of half of the estimates is at most a fifth.
func TestEstimate_HoldsInASteadyQueue(t *testing.T) {
	t.Parallel()
	f := setup(t, settings(domain.RoomAuto, 100, 50))
	random := rand.New(rand.NewPCG(1, 2))
	type guess struct {
		at       time.Time
		estimate time.Duration
	}
	guesses := map[int64][]guess{}
	var errorsSeen []float64
	leaves := map[int64]time.Time{}
	var waiting []int64
	next, unknown := int64(1), 0
	stay := func() time.Duration { return time.Duration(random.ExpFloat64() * float64(time.Minute)) }

	const intervals = 450 // of 2 s: a quarter of an hour
	for interval := range intervals {
		newcomers := 3 + random.IntN(2) // about 100 users a minute, as many as a cap of 100 admits
		if interval == 0 {
			newcomers = 300
		}
		for range newcomers {
			if status := f.enter(t, next); status.State == domain.RoomWaiting {
				waiting = append(waiting, next)
			} else {
				leaves[next] = f.clock.Now().Add(stay())
			}
			next++
		}
		for user, at := range leaves {
			if at.After(f.clock.Now()) {
				continue
			}
			f.end(t, user)
			delete(leaves, user)
		}
		f.clock.Advance(f.options.AdmitInterval)
		f.tick(t)
		var still []int64
		for batch := range slices.Chunk(waiting, statusBatch) {
			statuses, err := f.statuses(t.Context(), show, batch)
			if err != nil {
				t.Fatal(err)
			}
			for i, status := range statuses {
				user := batch[i]
				if status.State == domain.RoomWaiting {
					still = append(still, user)
					switch {
					case status.EstimatedWait == 0:
						unknown++
					case interval > 30 && interval%10 == 0:
						guesses[user] = append(guesses[user], guess{f.clock.Now(), status.EstimatedWait})
					}
					continue
				}
				leaves[user] = f.clock.Now().Add(stay())
				for _, g := range guesses[user] {
					truth := f.clock.Now().Sub(g.at).Seconds()
					errorsSeen = append(errorsSeen, math.Abs(g.estimate.Seconds()-truth)/truth)
				}
			}
		}
		waiting = still
	}
	if len(errorsSeen) < 1000 {
		t.Fatalf("only %d estimates to judge", len(errorsSeen))
	}
	slices.Sort(errorsSeen)
	median := errorsSeen[len(errorsSeen)/2]
	t.Logf("%d estimates, median error %.1f %%, 90th percentile %.1f %%; unknown %d times at the start",
		len(errorsSeen), 100*median, 100*errorsSeen[len(errorsSeen)*9/10], unknown)
	if median > 0.2 {
		t.Fatalf("the median error is %.0f %%", 100*median)
	}
	if unknown == 0 {
		t.Error("an estimate was given before anything was measured")
	}
}
