package seatlock_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"evently/internal/seatlock"
	"evently/internal/testkit"
)

// Hundreds at once share round trips, some of them give up, and Redis forgets the script: each of
// the others still gets its own answer.
func TestManyAtOnceGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	client, locks := setup(t)
	const callers = 400
	var group sync.WaitGroup
	for i := range callers {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			token, seat := fmt.Sprint("token", i), int64(1+i/2) // two for each seat
			switch i % 20 {
			case 5:
				if err := client.ScriptFlush(ctx).Err(); err != nil {
					t.Error(err)
				}
			case 7:
				cancel() // before or while it waits: nobody else may notice
			}
			taken, err := locks.Acquire(ctx, lock(token, seat), time.Minute)
			if ctx.Err() != nil {
				return
			}
			holder := client.Get(t.Context(), fmt.Sprintf("seat_lock:{7}:%d", seat)).Val()
			switch {
			case err != nil:
				t.Errorf("%s: %v", token, err)
			case len(taken) == 0 && holder != token:
				t.Errorf("%s was told that seat %d is its own, and %s has it", token, seat, holder)
			case len(taken) > 0 && (holder == token || taken[0] != seat):
				t.Errorf("%s was told that %v are taken, and %q has seat %d", token, taken, holder, seat)
			}
		})
	}
	group.Wait()
}

func BenchmarkAcquireAndRelease(b *testing.B) {
	locks := seatlock.New(testkit.Redis(b), seatlock.Options{Timeout: time.Minute})
	b.ReportAllocs()
	b.ResetTimer() // Redis may have had to start
	b.RunParallel(func(pb *testing.PB) {
		mine := lock(fmt.Sprint(time.Now().UnixNano()), time.Now().UnixNano())
		for pb.Next() {
			if _, err := locks.Acquire(b.Context(), mine, time.Minute); err != nil {
				b.Fatal(err)
			}
			if err := locks.Release(b.Context(), mine); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkAcquireTaken is a fight that is lost: one round trip, alone in its batch.
func BenchmarkAcquireTaken(b *testing.B) {
	locks := seatlock.New(testkit.Redis(b), seatlock.Options{Timeout: time.Minute})
	if taken, err := locks.Acquire(b.Context(), lock("winner", 1, 2), time.Hour); err != nil || len(taken) > 0 {
		b.Fatal(taken, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if taken, err := locks.Acquire(b.Context(), lock("loser", 1, 2), time.Hour); err != nil || len(taken) != 2 {
			b.Fatal(taken, err)
		}
	}
}

// BenchmarkAcquireFree takes two seats that nobody has, alone in its batch.
func BenchmarkAcquireFree(b *testing.B) {
	locks := seatlock.New(testkit.Redis(b), seatlock.Options{Timeout: time.Minute})
	seat := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		seat += 2
		if taken, err := locks.Acquire(b.Context(), lock("winner", seat, seat+1), time.Minute); err != nil || len(taken) > 0 {
			b.Fatal(taken, err)
		}
	}
}
