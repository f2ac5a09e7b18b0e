package seatlock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/rediskit"
	"evently/internal/seatlock"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func setup(t testing.TB) (*redis.Client, *seatlock.Locks) {
	t.Helper()
	client := testkit.Redis(t)
	return client, seatlock.New(testkit.Rediskit(t, client, rediskit.Options{}))
}

func lock(token string, seats ...int64) domain.SeatLock {
	return domain.SeatLock{ShowID: 7, SeatIDs: seats, Token: token}
}

func acquire(t *testing.T, locks *seatlock.Locks, lock domain.SeatLock) {
	t.Helper()
	if taken, err := locks.Acquire(t.Context(), lock, time.Minute); err != nil || len(taken) > 0 {
		t.Fatalf("taken %v, %v", taken, err)
	}
}

// tokens returns the tokens of all locks.
func tokens(t *testing.T, client *redis.Client) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, key := range client.Keys(t.Context(), "*").Val() {
		got[key] = client.Get(t.Context(), key).Val()
	}
	return got
}

func TestAcquire_AllOrNone(t *testing.T) {
	t.Parallel()
	client, locks := setup(t)
	acquire(t, locks, lock("11.a", 1, 2))
	acquire(t, locks, lock("nobody", 4))
	taken, err := locks.Acquire(t.Context(), lock("12.b", 2, 3, 4), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]domain.TakenSeat{{SeatID: 2, UserID: 11}, {SeatID: 4}}, taken); diff != "" {
		t.Error(diff)
	}
	want := map[string]string{"seat_lock:{7}:1": "11.a", "seat_lock:{7}:2": "11.a", "seat_lock:{7}:4": "nobody"}
	if diff := cmp.Diff(want, tokens(t, client)); diff != "" {
		t.Errorf("locks after the refusal: %s", diff)
	}
	for key := range want {
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("%s expires in %s", key, ttl)
		}
	}
}

// go-redis sends a command again when the reply is lost.
func TestAcquire_SameTokenIsARetry(t *testing.T) {
	t.Parallel()
	_, locks := setup(t)
	for range 2 {
		acquire(t, locks, lock("1.a", 1, 2))
	}
}

func TestAcquire_OneWinnerOfARace(t *testing.T) {
	t.Parallel()
	_, locks := setup(t)
	var winners atomic.Int64
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			seats := []int64{1, 2, 3}
			if i%2 == 1 {
				seats = []int64{3, 2, 1}
			}
			taken, err := locks.Acquire(t.Context(), lock(fmt.Sprintf("%d.x", i), seats...), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if len(taken) == 0 {
				winners.Add(1)
			}
		})
	}
	group.Wait()
	if n := winners.Load(); n != 1 {
		t.Errorf("%d winners", n)
	}
}

// Concurrent callers share round trips, some are cancelled, and Redis forgets the scripts: each of the
// others gets its own result.
func TestAcquire_ConcurrentCallersGetTheirOwnResult(t *testing.T) {
	t.Parallel()
	client, locks := setup(t)
	var group sync.WaitGroup
	for i := range 400 {
		group.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			token, seat := fmt.Sprintf("%d.x", i+1), int64(1+i/2) // two for each seat
			switch i % 20 {
			case 5:
				if err := client.ScriptFlush(ctx).Err(); err != nil {
					t.Error(err)
				}
			case 7:
				cancel()
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
				t.Errorf("%s has acquired seat %d, which is locked by %s", token, seat, holder)
			case len(taken) > 0 && (holder == token || taken[0].SeatID != seat || fmt.Sprintf("%d.x", taken[0].UserID) != holder):
				t.Errorf("%s got %v, and %q has locked seat %d", token, taken, holder, seat)
			}
		})
	}
	group.Wait()
}

// A Redis that is out of memory, or a replica, refuses writes: no lock may be left behind.
func TestAcquire_RefusedWriteIsAnError(t *testing.T) {
	t.Parallel()
	client, _ := setup(t)
	const user = "seatlock-readonly"
	if err := client.Do(t.Context(), "ACL", "SETUSER", user, "reset", "on", "nopass", "~*", "+@all", "-set").Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Do(context.Background(), "ACL", "DELUSER", user).Err() })
	options := *client.Options()
	options.Username, options.Password, options.CredentialsProviderContext = user, "any", nil
	locks := seatlock.New(testkit.Rediskit(t, redis.NewClient(&options), rediskit.Options{}))
	if taken, err := locks.Acquire(t.Context(), lock("1.a", 1, 2), time.Minute); err == nil {
		t.Errorf("taken %v and no error", taken)
	}
	if got := tokens(t, client); len(got) > 0 {
		t.Errorf("locks are left: %v", got)
	}
}

func TestExtend_OwnLocksOnly(t *testing.T) {
	t.Parallel()
	client, locks := setup(t)
	mine := lock("1.a", 1, 2, 3)
	acquire(t, locks, mine)
	client.Del(t.Context(), "seat_lock:{7}:2") // released, or expired
	client.Set(t.Context(), "seat_lock:{7}:3", "2.b", time.Minute)
	if err := locks.Extend(t.Context(), mine, time.Hour); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"seat_lock:{7}:1": "1.a", "seat_lock:{7}:3": "2.b"}
	if diff := cmp.Diff(want, tokens(t, client)); diff != "" {
		t.Error(diff)
	}
	for key, extended := range map[string]bool{"seat_lock:{7}:1": true, "seat_lock:{7}:3": false} {
		if ttl := client.PTTL(t.Context(), key).Val(); (ttl > time.Minute) != extended || ttl <= 0 || ttl > time.Hour {
			t.Errorf("%s expires in %s", key, ttl)
		}
	}
}

func TestRelease_ComparesTokens(t *testing.T) {
	t.Parallel()
	client, locks := setup(t)
	acquire(t, locks, lock("1.a", 1, 2))
	acquire(t, locks, lock("2.b", 3))
	client.Set(t.Context(), "seat_lock:{7}:2", "3.c", time.Minute) // expired and locked again

	for name, release := range map[string][]domain.SeatLock{
		"one":  {lock("1.a", 1, 2, 3)},
		"many": {lock("1.a", 1, 2), lock("4.x", 3), {ShowID: 8, SeatIDs: []int64{1}, Token: "1.a"}},
		"none": nil,
	} {
		if err := locks.Release(t.Context(), release...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	want := map[string]string{"seat_lock:{7}:2": "3.c", "seat_lock:{7}:3": "2.b"}
	if diff := cmp.Diff(want, tokens(t, client)); diff != "" {
		t.Error(diff)
	}
	if err := locks.Release(t.Context(), lock("2.b", 3), lock("3.c", 2)); err != nil {
		t.Fatal(err)
	}
	if left := tokens(t, client); len(left) > 0 {
		t.Errorf("locks are left: %v", left)
	}
}

func TestRelease_MoreThanOneScriptMayDelete(t *testing.T) {
	t.Parallel()
	client, locks := setup(t)
	var all []domain.SeatLock
	for seat := int64(1); seat <= 2500; seat += 50 {
		l := lock(fmt.Sprintf("%d.x", seat))
		for n := range int64(50) {
			l.SeatIDs = append(l.SeatIDs, seat+n)
		}
		acquire(t, locks, l)
		all = append(all, l)
	}
	if err := locks.Release(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	if n := client.DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("%d locks are left", n)
	}
}

func TestLocks_RedisUnavailable(t *testing.T) {
	t.Parallel()
	wired, wire := testkit.WiredRedis(t, testkit.Redis(t))
	locks := seatlock.New(testkit.Rediskit(t, wired, rediskit.Options{}))
	wire.Cut()
	_, err := locks.Acquire(t.Context(), lock("1.a", 1), time.Minute)
	for name, err := range map[string]error{
		"acquire": err,
		"extend":  locks.Extend(t.Context(), lock("1.a", 1), time.Minute),
		"release": locks.Release(t.Context(), lock("1.a", 1)),
	} {
		if !errors.Is(err, rediskit.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkAcquire_Taken(b *testing.B) {
	_, locks := setup(b)
	if taken, err := locks.Acquire(b.Context(), lock("1.a", 1, 2), time.Hour); err != nil || len(taken) > 0 {
		b.Fatal(taken, err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if taken, err := locks.Acquire(b.Context(), lock("2.b", 1, 2), time.Hour); err != nil || len(taken) != 2 {
				b.Fatal(taken, err)
			}
		}
	})
}
