package ratelimit_test

import (
	"testing"
	"time"

	"evently/internal/ratelimit"
	"evently/internal/testkit"
)

// BenchmarkTake takes from the two budgets that a change of bookings has: one round trip.
func BenchmarkTake(b *testing.B) {
	client := testkit.Redis(b)
	limiter := ratelimit.New(client, ratelimit.Options{Timeout: time.Minute})
	// None of them comes back while it runs: a budget that is whole again is forgotten.
	wide := ratelimit.Limit{Requests: 1_000_000, Per: 1_000_000 * time.Hour}
	budgets := []ratelimit.Budget{budget("user:1", "requests", wide), budget("user:1", "bookings", wide)}
	b.ReportAllocs()
	for b.Loop() {
		if result := limiter.Take(b.Context(), budgets...); !result.Allowed {
			b.Fatal(result)
		}
	}
	b.StopTimer()
	if n := client.DBSize(b.Context()).Val(); n != 2 {
		b.Fatalf("%d budgets in Redis, want 2: they were taken from memory", n)
	}
}
