package seatlock_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/seatlock"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func setup(t *testing.T) (*redis.Client, *seatlock.Locks) {
	t.Helper()
	client := testkit.Redis(t)
	return client, seatlock.New(client, seatlock.Options{Timeout: time.Minute})
}

func lock(token string, seats ...int64) domain.SeatLock {
	return domain.SeatLock{ShowID: 7, SeatIDs: seats, Token: token}
}

func keysOf(t *testing.T, client *redis.Client) map[string]string {
	t.Helper()
	ctx := context.Background()
	got := map[string]string{}
	for _, key := range client.Keys(ctx, "*").Val() {
		got[key] = client.Get(ctx, key).Val()
	}
	return got
}

func TestAcquireTakesAllOrNone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client, locks := setup(t)
	if taken, err := locks.Acquire(ctx, lock("a", 1, 2), time.Minute); err != nil || len(taken) > 0 {
		t.Fatalf("taken %v, %v", taken, err)
	}
	taken, err := locks.Acquire(ctx, lock("b", 2, 3), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{2}, taken); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{"seat_lock:{7}:1": "a", "seat_lock:{7}:2": "a"}
	if diff := cmp.Diff(want, keysOf(t, client)); diff != "" {
		t.Errorf("the loser left a trace: %s", diff)
	}
	for key := range want {
		if ttl := client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("%s lives for %s", key, ttl)
		}
	}
}

// go-redis sends a command again when its answer is lost: the second try finds our own token.
func TestAcquireAgainWithTheSameTokenIsOurs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	_, locks := setup(t)
	for range 2 {
		if taken, err := locks.Acquire(ctx, lock("a", 1, 2), time.Minute); err != nil || len(taken) > 0 {
			t.Fatalf("taken %v, %v", taken, err)
		}
	}
}

func TestReleaseComparesBeforeItDeletes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client, locks := setup(t)
	for _, l := range []domain.SeatLock{lock("a", 1, 2), lock("b", 3)} {
		if _, err := locks.Acquire(ctx, l, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	// The lock on seat 2 ran out, and somebody else has taken it since.
	client.Set(ctx, "seat_lock:{7}:2", "c", time.Minute)

	for name, release := range map[string][]domain.SeatLock{
		"one":  {lock("a", 1, 2, 3)},
		"many": {lock("a", 1, 2), lock("x", 3)},
	} {
		if err := locks.Release(ctx, release...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := map[string]string{"seat_lock:{7}:2": "c", "seat_lock:{7}:3": "b"}
		if diff := cmp.Diff(want, keysOf(t, client)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if err := locks.Release(ctx, lock("b", 3), lock("c", 2)); err != nil {
		t.Fatal(err)
	}
	if left := keysOf(t, client); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOneWinnerOfARace(t *testing.T) {
	t.Parallel()
	_, locks := setup(t)
	var mu sync.Mutex
	var wg sync.WaitGroup
	winners := 0
	for i := range 50 {
		wg.Go(func() {
			seats := []int64{1, 2, 3}
			if i%2 == 1 {
				seats = []int64{3, 2, 1}
			}
			taken, err := locks.Acquire(context.Background(), lock(fmt.Sprint(i), seats...), time.Minute)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(taken) == 0 {
				winners++
			}
		})
	}
	wg.Wait()
	if winners != 1 {
		t.Errorf("%d winners", winners)
	}
}

// A Redis that is gone costs a few failed dials, then nothing until the breaker tries again.
func TestBreakerLeavesADeadRedisAlone(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	dials := 0
	changes := []string{}
	client := redis.NewClient(&redis.Options{
		MaxRetries: -1,
		Dialer: func(context.Context, string, string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			dials++
			return nil, errors.New("refused")
		},
	})
	t.Cleanup(func() { _ = client.Close() })
	locks := seatlock.New(client, seatlock.Options{
		Timeout: time.Minute, Cooldown: time.Hour,
		OnStateChange: func(from, to string) { changes = append(changes, from+"→"+to) },
	})
	for range 20 {
		if _, err := locks.Acquire(context.Background(), lock("a", 1), time.Minute); !errors.Is(err, seatlock.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
	}
	before := dials
	if err := locks.Release(context.Background(), lock("a", 1)); !errors.Is(err, seatlock.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	if dials != before {
		t.Error("an open breaker still dials")
	}
	if diff := cmp.Diff([]string{"closed→open"}, changes); diff != "" {
		t.Error(diff)
	}
}
