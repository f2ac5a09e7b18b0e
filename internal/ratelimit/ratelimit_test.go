package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/ratelimit"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// frozen is a limit whose next request comes back long after the test.
func frozen(requests int) ratelimit.Limit {
	return ratelimit.Limit{Requests: requests, Per: time.Duration(requests) * 24 * time.Hour}
}

func budget(subject, name string, limit ratelimit.Limit) ratelimit.Budget {
	return ratelimit.Budget{Subject: subject, Name: name, Limit: limit}
}

func setup(t *testing.T) (*redis.Client, *ratelimit.Limiter) {
	t.Helper()
	client := testkit.Redis(t)
	return client, ratelimit.New(client, ratelimit.Options{Timeout: time.Minute})
}

// withoutRedis gives a limiter whose Redis is not there, its clock, and what its breaker said.
func withoutRedis(t *testing.T, localBudgets int) (*ratelimit.Limiter, *testkit.Clock, func() []string) {
	t.Helper()
	client := testkit.Redis(t)
	client.AddHook(outage{})
	var mu sync.Mutex
	var changes []string
	clock := testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	limiter := ratelimit.New(client, ratelimit.Options{
		Timeout:      time.Minute,
		Cooldown:     time.Hour,
		LocalBudgets: localBudgets,
		Now:          clock.Now,
		OnStateChange: func(from, to string) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, from+" to "+to)
		},
	})
	return limiter, clock, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return changes
	}
}

// outage fails every pipeline.
type outage struct{}

func (outage) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (outage) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (outage) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return errors.New("no Redis today") }
}

// passed counts how many of n requests at once pass, spread over the limiters.
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

func TestOfManyAtOnceExactlyTheLimitPasses(t *testing.T) {
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

func TestInstancesShareABudget(t *testing.T) {
	t.Parallel()
	client, one := setup(t)
	two := ratelimit.New(client, ratelimit.Options{Timeout: time.Minute})
	if got := passed(t, 100, []ratelimit.Budget{budget("user:1", "requests", frozen(9))}, one, two); got != 9 {
		t.Errorf("%d passed over both, want 9", got)
	}
}

// Where Redis is away, the same holds for each instance by itself.
func TestWithoutRedisEachInstanceLimits(t *testing.T) {
	t.Parallel()
	one, _, changes := withoutRedis(t, 0)
	two, _, _ := withoutRedis(t, 0)
	budgets := []ratelimit.Budget{budget("user:1", "requests", frozen(7))}
	if got := passed(t, 100, budgets, one); got != 7 {
		t.Errorf("%d passed, want 7", got)
	}
	if got := passed(t, 100, budgets, two); got != 7 {
		t.Errorf("%d passed at the other instance, want 7", got)
	}
	if diff := cmp.Diff([]string{"closed to open"}, changes()); diff != "" {
		t.Errorf("state changes (-want +got):\n%s", diff)
	}
}

func TestWhatIsToldOfABudget(t *testing.T) {
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
			got.Reset = got.Reset.Round(24 * time.Hour) // time goes by in a test, too
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// What refuses takes from nothing else of the subject.
func TestARefusalTakesNothing(t *testing.T) {
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

func TestTheTightestBudgetIsTold(t *testing.T) {
	t.Parallel()
	_, limiter := setup(t)
	wide, narrow := budget("user:1", "wide", frozen(5)), budget("user:2", "narrow", frozen(2))
	if got := limiter.Take(t.Context(), wide, narrow); got.Limit != 2 || got.Remaining != 1 {
		t.Errorf("told of %+v, want the narrow one", got)
	}
	hidden := narrow
	hidden.Hidden = true
	if got := limiter.Take(t.Context(), wide, hidden); !got.Allowed || got.Limit != 5 {
		t.Errorf("told of %+v, want the wide one: the other is hidden", got)
	}
	if got := limiter.Take(t.Context(), wide, hidden); got.Allowed || got.Limit != 2 || got.Remaining != 0 {
		t.Errorf("told of %+v, want the refusal of the hidden one", got)
	}
	fresh := hidden
	fresh.Name = "fresh"
	if got := limiter.Take(t.Context(), fresh); !got.Allowed || got.Limit != 0 {
		t.Errorf("told of %+v, which is hidden", got)
	}
}

func TestNoLimitIsNoRoundTrip(t *testing.T) {
	t.Parallel()
	limiter, _, changes := withoutRedis(t, 0)
	off := budget("user:1", "requests", ratelimit.Limit{Per: time.Minute})
	for range 10 {
		if got := limiter.Take(t.Context(), off); got != (ratelimit.Result{Allowed: true}) {
			t.Fatalf("%+v", got)
		}
	}
	if len(changes()) > 0 {
		t.Error("Redis was asked")
	}
}

// A budget comes back evenly. Moving the instant at which it is full is moving time.
func TestABudgetComesBackEvenly(t *testing.T) {
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

func TestALocalBudgetComesBackEvenly(t *testing.T) {
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

// With sizes that do not divide their time, nothing is lost to rounding: neither in the number
// nor in what is told.
func TestOddSizes(t *testing.T) {
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

// A failover to a server whose clock is behind must not lock anybody out for the difference.
func TestAClockThatWasSetBack(t *testing.T) {
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

func TestKeysAreTheSubjectsAndEnd(t *testing.T) {
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

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	limiter, _, _ := withoutRedis(t, 2)
	first := budget("user:1", "requests", frozen(1))
	limiter.Take(t.Context(), first)
	limiter.Take(t.Context(), budget("user:2", "requests", frozen(1)))
	if limiter.Take(t.Context(), first).Allowed {
		t.Error("a budget went although there was room for it")
	}
	limiter.Take(t.Context(), budget("user:3", "requests", frozen(1)))
	if limiter.Take(t.Context(), first).Allowed {
		t.Error("a budget went although another was not used for longer")
	}
	limiter.Take(t.Context(), budget("user:4", "requests", frozen(1)))
	limiter.Take(t.Context(), budget("user:5", "requests", frozen(1)))
	if !limiter.Take(t.Context(), first).Allowed {
		t.Error("the oldest budget is still there")
	}
}

// counting counts the round trips, and the commands of each kind.
type counting struct {
	mu       sync.Mutex
	trips    int
	commands map[string]int
}

func (c *counting) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counting) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.note(cmd)
		return next(ctx, cmd)
	}
}

func (c *counting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.note(cmds...)
		return next(ctx, cmds)
	}
}

func (c *counting) note(cmds ...redis.Cmder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trips++
	for _, cmd := range cmds {
		c.commands[strings.ToLower(cmd.Name())]++
	}
}

func TestOneRoundTrip(t *testing.T) {
	t.Parallel()
	client, limiter := setup(t)
	budgets := []ratelimit.Budget{
		budget("client:192.0.2.1", "requests", frozen(30)),
		budget("client:192.0.2.1", "logins", frozen(30)),
		budget("email:abc", "logins", frozen(30)),
	}
	// The server may know the script from another test: this one starts as after a restart.
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if got := limiter.Take(t.Context(), budgets...); !got.Allowed || got.Remaining != 29 {
		t.Fatalf("the first request: %+v", got)
	}
	hook := &counting{commands: map[string]int{}}
	client.AddHook(hook)
	if got := limiter.Take(t.Context(), budgets...); !got.Allowed || got.Remaining != 28 {
		t.Errorf("the second request: %+v", got)
	}
	hook.mu.Lock()
	defer hook.mu.Unlock()
	if hook.trips != 1 || hook.commands["evalsha"] != 2 {
		t.Errorf("%d round trips with %v, want one with a script for each subject", hook.trips, hook.commands)
	}
}

// A client that goes away is not a Redis that fails.
func TestACancelledRequestOpensNothing(t *testing.T) {
	t.Parallel()
	client := testkit.Redis(t)
	limiter := ratelimit.New(client, ratelimit.Options{
		Timeout:       time.Minute,
		OnStateChange: func(from, to string) { t.Errorf("%s to %s", from, to) },
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		limiter.Take(ctx, budget("user:1", "requests", frozen(1)))
	}
	if !limiter.Take(t.Context(), budget("user:1", "requests", frozen(1))).Allowed {
		t.Error("the shared budget is gone")
	}
}
