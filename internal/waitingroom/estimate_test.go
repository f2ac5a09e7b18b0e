package waitingroom

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"evently/internal/domain"
)

// In a steady queue, where as many come as are let in, half of the estimates are within a fifth.
func TestTheEstimateHoldsInASteadyQueue(t *testing.T) {
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
		newcomers := 3 + random.IntN(2) // about 100 users a minute, which is what a cap of 100 lets through
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
			if err := f.Settle(t.Context(), user, domain.SeatLock{ShowID: show}); err != nil {
				t.Fatal(err)
			}
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
