package ratelimit_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/ratelimit"
	"evently/internal/rediskit"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// frozen returns a limit whose next request is refilled long after the test.
func frozen(requests int) ratelimit.Limit {
	return ratelimit.Limit{Requests: requests, Per: time.Duration(requests) * 24 * time.Hour}
}

func budget(subject, name string, limit ratelimit.Limit) ratelimit.Budget {
	return ratelimit.Budget{Subject: subject, Name: name, Limit: limit}
}

func setup(t *testing.T) (*redis.Client, *ratelimit.Limiter) {
	t.Helper()
	client := testkit.Redis(t)
	return client, ratelimit.New(testkit.Rediskit(t, client, rediskit.Options{}), ratelimit.Options{})
}

// withoutRedis returns a limiter whose Redis is unavailable, its clock, and how often Redis was asked.
func withoutRedis(t *testing.T, localBudgets int) (limiter *ratelimit.Limiter, clock *testkit.Clock, asked *atomic.Int64) {
	t.Helper()
	client := testkit.Redis(t)
	kit := testkit.Rediskit(t, client, rediskit.Options{Cooldown: time.Hour})
	gone := &unreachable{}
	client.AddHook(gone) // behind the circuit breaker
	clock = testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	return ratelimit.New(kit, ratelimit.Options{LocalBudgets: localBudgets, Now: clock.Now}), clock, &gone.asked
}

// unreachable is a hook that fails every command.
type unreachable struct{ asked atomic.Int64 }

func (*unreachable) DialHook(next redis.DialHook) redis.DialHook { return next }

func (u *unreachable) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(context.Context, redis.Cmder) error { u.asked.Add(1); return net.ErrClosed }
}

func (u *unreachable) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { u.asked.Add(1); return net.ErrClosed }
}

// passed returns how many of n concurrent requests pass, spread over the limiters.
func passed(t *testing.T, n int, budgets []ratelimit.Budget, limiters ...*ratelimit.Limiter) int {
	t.Helper()
	var count atomic.Int64
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if limiters[i%len(limiters)].Take(t.Context(), budgets...).Allowed {
				count.Add(1)
			}
		})
	}
	wg.Wait()
	return int(count.Load())
}

func TestTake_ConcurrentRequestsPassUpToTheLimit(t *testing.T) {
	t.Parallel()
	_, limiter := setup(t)
	if got := passed(t, 100, []ratelimit.Budget{budget("user:1", "requests", frozen(7))}, limiter); got != 7 {
		t.Errorf("%d passed, want 7", got)
	}
	if !limiter.Take(t.Context(), budget("user:2", "requests", frozen(7))).Allowed {
		t.Error("one user's requests count for another")
	}
	if !limiter.Take(t.Context(), budget("user:1", "other", frozen(7))).Allowed {
		t.Error("one budget's requests count for another")
	}
}

func TestTake_InstancesShareABudget(t *testing.T) {
	t.Parallel()
	client, one := setup(t)
	two := ratelimit.New(testkit.Rediskit(t, client, rediskit.Options{}), ratelimit.Options{})
	if got := passed(t, 100, []ratelimit.Budget{budget("user:1", "requests", frozen(9))}, one, two); got != 9 {
		t.Errorf("%d passed over both, want 9", got)
	}
}

func TestTake_WithoutRedisEachInstanceLimits(t *testing.T) {
	t.Parallel()
	one, _, asked := withoutRedis(t, 0)
	two, _, _ := withoutRedis(t, 0)
	budgets := []ratelimit.Budget{budget("user:1", "requests", frozen(7))}
	if got := passed(t, 100, budgets, one); got != 7 {
		t.Errorf("%d passed, want 7", got)
	}
	if got := passed(t, 100, budgets, two); got != 7 {
		t.Errorf("%d passed at the other instance, want 7", got)
	}
	for range 3 { // the requests before may have shared a round trip
		one.Take(t.Context(), budgets...)
	}
	before := asked.Load()
	one.Take(t.Context(), budgets...)
	if asked.Load() != before {
		t.Error("Redis is asked although its circuit breaker is open")
	}
}

func TestTake_Result(t *testing.T) {
	t.Parallel()
	_, shared := setup(t)
	local, _, _ := withoutRedis(t, 0)
	for name, limiter := range map[string]*ratelimit.Limiter{"redis": shared, "local": local} {
		b := budget("user:1", "requests", frozen(2))
		for _, want := range []ratelimit.Result{
			{Allowed: true, Limit: 2, Remaining: 1, Reset: 24 * time.Hour},
			{Allowed: true, Limit: 2, Remaining: 0, Reset: 48 * time.Hour},
			{Allowed: false, Limit: 2, Remaining: 0, Reset: 24 * time.Hour},
			{Allowed: false, Limit: 2, Remaining: 0, Reset: 24 * time.Hour},
		} {
			got := limiter.Take(t.Context(), b)
			got.Reset = got.Reset.Round(24 * time.Hour) // time passes during the test
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestTake_RefusalTakesNothing(t *testing.T) {
	t.Parallel()
	_, shared := setup(t)
	local, _, _ := withoutRedis(t, 0)
	for name, limiter := range map[string]*ratelimit.Limiter{"redis": shared, "local": local} {
		wide, narrow := budget("user:1", "wide", frozen(5)), budget("user:1", "narrow", frozen(1))
		got := passed(t, 20, []ratelimit.Budget{wide, narrow}, limiter) +
			passed(t, 20, []ratelimit.Budget{narrow, wide}, limiter)
		if got != 1 {
			t.Errorf("%s: %d passed both, want 1", name, got)
		}
		if got := limiter.Take(t.Context(), wide); !got.Allowed || got.Remaining != 3 {
			t.Errorf("%s: the wide budget after the narrow one's refusals: %+v, want 3 remaining", name, got)
		}
	}
}

func TestTake_ResultIsOfTheTightestVisibleBudget(t *testing.T) {
	t.Parallel()
	_, limiter := setup(t)
	wide, narrow := budget("user:1", "wide", frozen(5)), budget("user:2", "narrow", frozen(2))
	if got := limiter.Take(t.Context(), wide, narrow); got.Limit != 2 || got.Remaining != 1 {
		t.Errorf("got %+v, want the narrow budget", got)
	}
	hidden := narrow
	hidden.Hidden = true
	if got := limiter.Take(t.Context(), wide, hidden); !got.Allowed || got.Limit != 5 {
		t.Errorf("got %+v, want the wide budget: the other is hidden", got)
	}
	if got := limiter.Take(t.Context(), wide, hidden); got.Allowed || got.Limit != 2 || got.Remaining != 0 {
		t.Errorf("got %+v, want the refusal of the hidden budget", got)
	}
	fresh := hidden
	fresh.Name = "fresh"
	if got := limiter.Take(t.Context(), fresh); !got.Allowed || got.Limit != 0 {
		t.Errorf("got %+v, which is hidden", got)
	}
}

func TestTake_NoLimitSendsNothing(t *testing.T) {
	t.Parallel()
	limiter, _, asked := withoutRedis(t, 0)
	off := budget("user:1", "requests", ratelimit.Limit{Per: time.Minute})
	for range 10 {
		if got := limiter.Take(t.Context(), off); got != (ratelimit.Result{Allowed: true}) {
			t.Fatalf("%+v", got)
		}
	}
	if asked.Load() > 0 {
		t.Error("Redis was asked")
	}
}

// Moving the instant at which a budget is full is moving time.
func TestTake_RefillsEvenly(t *testing.T) {
	t.Parallel()
	client, limiter := setup(t)
	budgets := []ratelimit.Budget{budget("user:1", "requests", frozen(4))}
	if got := passed(t, 10, budgets, limiter); got != 4 {
		t.Fatalf("%d passed, want 4", got)
	}
	for _, days := range []int{1, 2, 1} {
		err := client.IncrBy(t.Context(), "rate_limit:{user:1}:requests", -int64(days)*(24*time.Hour).Microseconds()).Err()
		if err != nil {
			t.Fatal(err)
		}
		if got := passed(t, 10, budgets, limiter); got != days {
			t.Errorf("%d passed after %d days, want one a day", got, days)
		}
	}
}

func TestTake_WithoutRedisRefillsEvenly(t *testing.T) {
	t.Parallel()
	limiter, clock, _ := withoutRedis(t, 0)
	budgets := []ratelimit.Budget{budget("user:1", "requests", frozen(4))}
	if got := passed(t, 10, budgets, limiter); got != 4 {
		t.Fatalf("%d passed, want 4", got)
	}
	for _, days := range []int{1, 2, 30} {
		want := min(days, 4)
		clock.Advance(time.Duration(days) * 24 * time.Hour)
		if got := passed(t, 10, budgets, limiter); got != want {
			t.Errorf("%d passed after %d days, want %d", got, days, want)
		}
	}
}

func TestTake_OddSizesAreNotRounded(t *testing.T) {
	t.Parallel()
	_, limiter := setup(t)
	for _, size := range []int{1, 3, 7, 11, 13, 61} {
		limit := ratelimit.Limit{Requests: size, Per: 1000 * time.Hour}
		b := budget(fmt.Sprintf("user:%d", size), "requests", limit)
		for left := size - 1; left >= 0; left-- {
			if got := limiter.Take(t.Context(), b); !got.Allowed || got.Remaining != left {
				t.Errorf("of %d: %+v, want %d remaining", size, got, left)
			}
		}
		if limiter.Take(t.Context(), b).Allowed {
			t.Errorf("more than %d passed", size)
		}
	}
}

// After a failover to a server whose clock is behind, nobody is refused for the difference.
func TestTake_ClockSetBack(t *testing.T) {
	t.Parallel()
	client, limiter := setup(t)
	b := budget("user:1", "requests", frozen(2))
	limiter.Take(t.Context(), b)
	year := (365 * 24 * time.Hour).Microseconds()
	if err := client.IncrBy(t.Context(), "rate_limit:{user:1}:requests", year).Err(); err != nil {
		t.Fatal(err)
	}
	if got := limiter.Take(t.Context(), b); got.Allowed || got.Reset > 25*time.Hour {
		t.Errorf("%+v, want to wait for a day", got)
	}
}

func TestTake_KeysExpire(t *testing.T) {
	t.Parallel()
	client, limiter := setup(t)
	for range 5 {
		limiter.Take(t.Context(),
			budget("client:192.0.2.1", "requests", frozen(3)),
			budget("client:192.0.2.1", "logins", frozen(3)),
			budget("email:abc", "logins", frozen(3)))
	}
	want := map[string]bool{
		"rate_limit:{client:192.0.2.1}:requests": true,
		"rate_limit:{client:192.0.2.1}:logins":   true,
		"rate_limit:{email:abc}:logins":          true,
	}
	got := map[string]bool{}
	for _, key := range client.Keys(t.Context(), "*").Val() {
		ttl := client.PTTL(t.Context(), key).Val()
		got[key] = ttl > 0 && ttl <= 3*24*time.Hour
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys, and whether they live no longer than they matter (-want +got):\n%s", diff)
	}
}

func TestTake_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	limiter, _, _ := withoutRedis(t, 2)
	first := budget("user:1", "requests", frozen(1))
	limiter.Take(t.Context(), first)
	limiter.Take(t.Context(), budget("user:2", "requests", frozen(1)))
	if limiter.Take(t.Context(), first).Allowed {
		t.Error("a budget was dropped although there was room")
	}
	limiter.Take(t.Context(), budget("user:3", "requests", frozen(1)))
	if limiter.Take(t.Context(), first).Allowed {
		t.Error("a budget was dropped although another was used less recently")
	}
	limiter.Take(t.Context(), budget("user:4", "requests", frozen(1)))
	limiter.Take(t.Context(), budget("user:5", "requests", frozen(1)))
	if !limiter.Take(t.Context(), first).Allowed {
		t.Error("the least recently used budget was kept")
	}
}

func TestTake_CancelledRequestCounts(t *testing.T) {
	t.Parallel()
	_, limiter := setup(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := budget("user:1", "requests", frozen(1))
	for range 20 {
		limiter.Take(ctx, b)
	}
	if limiter.Take(t.Context(), b).Allowed {
		t.Error("cancelled requests have taken nothing from the shared budget")
	}
}

func TestTake_UnknownScriptIsLoaded(t *testing.T) {
	t.Parallel()
	client, limiter := setup(t)
	for want := 2; want >= 0; want-- {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if got := limiter.Take(t.Context(), budget("user:1", "requests", frozen(3))); got.Remaining != want {
			t.Errorf("%d remain, want %d", got.Remaining, want)
		}
	}
	if n := client.DBSize(t.Context()).Val(); n != 1 {
		t.Errorf("%d budgets in Redis, want 1", n)
	}
}

func TestGive_ReturnsWhatWasTaken(t *testing.T) {
	t.Parallel()
	_, shared := setup(t)
	away, _, _ := withoutRedis(t, 0)
	for name, limiter := range map[string]*ratelimit.Limiter{"in Redis": shared, "in memory": away} {
		budget := ratelimit.Budget{Subject: "email:x", Name: "failures", Limit: ratelimit.Limit{Requests: 2, Per: time.Hour}}
		for range 5 {
			if !limiter.Take(t.Context(), budget).Allowed {
				t.Fatalf("%s: refused although all were given back", name)
			}
			limiter.Give(t.Context(), budget)
		}
		limiter.Give(t.Context(), budget) // a full budget stays full
		for n, want := range []bool{true, true, false} {
			if got := limiter.Take(t.Context(), budget).Allowed; got != want {
				t.Errorf("%s: take %d: %t, want %t", name, n+1, got, want)
			}
		}
	}
}

func TestTake_RefusalOfOneSubjectTakesFromNoOther(t *testing.T) {
	t.Parallel()
	_, limiter := setup(t)
	limit := ratelimit.Limit{Requests: 1, Per: time.Hour}
	user := ratelimit.Budget{Subject: "user:1", Name: "requests", Limit: limit}
	network := ratelimit.Budget{Subject: "network:x", Name: "requests", Limit: limit}
	if !limiter.Take(t.Context(), user).Allowed {
		t.Fatal("the first was refused")
	}
	for range 3 {
		if limiter.Take(t.Context(), user, network).Allowed {
			t.Fatal("the user's budget is not used up")
		}
	}
	if !limiter.Take(t.Context(), network).Allowed {
		t.Error("refusals have taken from the network")
	}
}

func TestRemember_PairsOfSubjectAndPlace(t *testing.T) {
	t.Parallel()
	_, shared := setup(t)
	away, _, _ := withoutRedis(t, 0)
	for name, limiter := range map[string]*ratelimit.Limiter{"in Redis": shared, "in memory": away} {
		limiter.Remember(t.Context(), "email:a", "client:1")
		for pair, want := range map[[2]string]bool{
			{"email:a", "client:1"}: true, {"email:a", "client:2"}: false, {"email:b", "client:1"}: false,
		} {
			if got := limiter.Remembers(t.Context(), pair[0], pair[1]); got != want {
				t.Errorf("%s: %v: %t, want %t", name, pair, got, want)
			}
		}
	}
}
