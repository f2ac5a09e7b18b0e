package ratelimit_test

import (
	"testing"
	"time"

	"evently/internal/ratelimit"
	"evently/internal/rediskit"
	"evently/internal/testkit"
)

// BenchmarkTake takes from the two budgets of a booking request.
func BenchmarkTake(b *testing.B) {
	client := testkit.Redis(b)
	limiter := ratelimit.New(testkit.Rediskit(b, client, rediskit.Options{}), ratelimit.Options{})
	// Nothing is refilled meanwhile: the key of a full budget expires.
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
		b.Fatalf("%d budgets in Redis, want 2", n)
	}
}
