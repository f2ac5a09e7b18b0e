package waitingroom

import (
	"context"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
)

// BenchmarkRush has 100,000 users join one show. Run it once:
//
//	go test ./internal/waitingroom -run NONE -bench Rush -benchtime 1x
func BenchmarkRush(b *testing.B) {
	const users, clients = 100_000, 64
	for b.Loop() {
		f := setup(b, settings(domain.RoomQueueAll, 500, 50))
		f.options.Now = nil
		f.Room = f.with(f.options)
		f.enter(b, 1)
		before := usedMemory(b, f.client)

		each := func(do func(user int64)) time.Duration {
			var next atomic.Int64
			next.Store(1)
			var all sync.WaitGroup
			start := time.Now()
			for range clients {
				all.Go(func() {
					for user := next.Add(1); user <= users; user = next.Add(1) {
						do(user)
					}
				})
			}
			all.Wait()
			return time.Since(start)
		}
		took := each(func(user int64) { f.enter(b, user) })
		b.ReportMetric(users/took.Seconds(), "joins/s")
		b.ReportMetric(float64(usedMemory(b, f.client)-before)/users, "redis-B/user")

		// One after the other: the time of the look-up itself.
		lookups := make([]time.Duration, 5000)
		for i := range lookups {
			user := 1 + rand.Int64N(users)
			start := time.Now()
			f.ask(b, user)
			lookups[i] = time.Since(start)
		}
		slices.Sort(lookups)
		b.ReportMetric(micros(lookups[len(lookups)/2]), "lookup-p50-µs")
		b.ReportMetric(micros(lookups[len(lookups)*99/100]), "lookup-p99-µs")

		polled := each(func(user int64) { f.ask(b, user) })
		b.ReportMetric(users/polled.Seconds(), "polls/s")

		// One tick an interval until the cap is reached.
		now := time.Now()
		f.options.Now = func() time.Time { return now }
		f.Room = f.with(f.options)
		ticks := make([]time.Duration, 10)
		for i := range ticks {
			now = now.Add(f.options.AdmitInterval)
			start := time.Now()
			if tick := f.tick(b); tick.Admitted != 50 {
				b.Fatalf("the tick admitted %d", tick.Admitted)
			}
			ticks[i] = time.Since(start)
		}
		slices.Sort(ticks)
		b.ReportMetric(micros(ticks[len(ticks)/2]), "tick-p50-µs")
		b.ReportMetric(micros(ticks[len(ticks)-1]), "tick-max-µs")

		// The worst tick: all users are absent but the last one.
		now = now.Add(f.options.Grace + time.Second)
		f.enter(b, users+1)
		if err := f.End(b.Context(), show, 1, now); err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		if tick := f.tick(b); tick.Admitted != 1 {
			b.Fatalf("the tick behind the absent users admitted %d", tick.Admitted)
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "absent-tick-ms")
	}
}

// BenchmarkIdleRoom measures the gate of a lock request when nobody waits.
func BenchmarkIdleRoom(b *testing.B) {
	f := setup(b, settings(domain.RoomAuto, 1_000_000, 50))
	f.options.Now = nil
	f.Room = f.with(f.options)
	user := int64(0)
	b.ReportAllocs()
	for b.Loop() {
		user++
		f.enter(b, user)
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

// usedMemory returns the memory that Redis uses, in bytes.
func usedMemory(b *testing.B, client redis.UniversalClient) int64 {
	b.Helper()
	info, err := client.Info(context.WithoutCancel(b.Context()), "memory").Result()
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(info, "used_memory:")
	text, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return n
}
