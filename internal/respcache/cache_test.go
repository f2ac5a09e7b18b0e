package respcache_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"evently/internal/respcache"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const maxAge = 200 * time.Millisecond

// counter is a load that returns how often it was called.
type counter struct {
	loads atomic.Int64
	err   error
}

func (c *counter) load(context.Context) (any, error) { return c.loads.Add(1), c.err }

func newCache(options respcache.Options) (*respcache.Cache, *testkit.Clock) {
	clock := testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	options.MaxBytes, options.Now = max(options.MaxBytes, 10_000), clock.Now
	return respcache.New(options), clock
}

func want(t *testing.T, cache *respcache.Cache, key string, c *counter, text string) {
	t.Helper()
	body, err := cache.Get(t.Context(), key, c.load)
	if err != nil {
		t.Fatal(err)
	}
	if got := plain(t, body); got != text {
		t.Errorf("response %s, want %s", got, text)
	}
}

func TestGet_LoadsOncePerKeyAndMaxAge(t *testing.T) {
	t.Parallel()
	cache, clock := newCache(respcache.Options{MaxAge: maxAge})
	c := &counter{}
	want(t, cache, "a", c, "1")
	clock.Advance(maxAge)
	want(t, cache, "a", c, "1")
	clock.Advance(1)
	want(t, cache, "a", c, "2")
	want(t, cache, "b", c, "3")
	want(t, cache, "a", c, "2")
}

func TestGet_ZeroMaxAgeLoadsEachTime(t *testing.T) {
	t.Parallel()
	cache, _ := newCache(respcache.Options{})
	c := &counter{}
	want(t, cache, "a", c, "1")
	want(t, cache, "a", c, "2")
}

func TestGet_ErrorsAreReturnedAndNotCached(t *testing.T) {
	t.Parallel()
	cache, _ := newCache(respcache.Options{MaxAge: maxAge})
	c := &counter{err: errors.New("down")}
	if _, err := cache.Get(t.Context(), "a", c.load); !errors.Is(err, c.err) {
		t.Errorf("error %v", err)
	}
	c.err = nil
	want(t, cache, "a", c, "2")
}

func TestGet_ConcurrentCallsShareOneLoad(t *testing.T) {
	t.Parallel()
	cache, _ := newCache(respcache.Options{MaxAge: maxAge})
	c := &counter{}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := cache.Get(context.Background(), "a", c.load); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := c.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}

func TestGet_DoesNotJoinALoadThatBeganTooLongAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cache, clock := newCache(respcache.Options{MaxAge: maxAge})
		finish := make(chan struct{})
		get := func(response string, wait <-chan struct{}) {
			body, err := cache.Get(context.Background(), "a", func(context.Context) (any, error) {
				<-wait
				return response, nil
			})
			if err != nil || plain(t, body) != `"`+response+`"` {
				t.Errorf("want %s: %v", response, err)
			}
		}
		go get("old", finish)
		synctest.Wait()
		clock.Advance(maxAge + 1)
		go get("new", finish)
		synctest.Wait() // both wait for the first load
		close(finish)
		synctest.Wait()
	})
}

func TestGet_LoadOutlivesTheRequestThatBeganIt(t *testing.T) {
	t.Parallel()
	cache, _ := newCache(respcache.Options{MaxAge: maxAge})
	ctx, cancel := context.WithCancel(t.Context())
	body, err := cache.Get(ctx, "a", func(ctx context.Context) (any, error) {
		cancel() // the client disconnects; others may be waiting
		return "loaded", ctx.Err()
	})
	if err != nil || plain(t, body) != `"loaded"` {
		t.Errorf("error %v", err)
	}
}

func TestGet_PanicReachesTheCallerWithItsStack(t *testing.T) {
	t.Parallel()
	cache, _ := newCache(respcache.Options{MaxAge: maxAge})
	func() {
		defer func() {
			err, _ := recover().(error)
			if err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "cache_test.go") {
				t.Errorf("panic %v", err)
			}
		}()
		_, _ = cache.Get(context.Background(), "a", func(context.Context) (any, error) { panic("broken") })
	}()
	want(t, cache, "a", &counter{}, "1")
}

func TestCache_MemoryIsBounded(t *testing.T) {
	t.Parallel()
	cache, _ := newCache(respcache.Options{MaxAge: maxAge, MaxBytes: 10_000})
	c := &counter{}
	large := func(ctx context.Context) (any, error) {
		_, err := c.load(ctx)
		return strings.Repeat("x", 4_000), err
	}
	get := func(key string, loads int64) {
		t.Helper()
		if _, err := cache.Get(t.Context(), key, large); err != nil || c.loads.Load() != loads {
			t.Errorf("%s: %d loads, want %d (%v)", key, c.loads.Load(), loads, err)
		}
	}
	get("a", 1)
	get("b", 2)
	get("a", 2)
	get("c", 3) // in place of b, the least recently used
	get("a", 3)
	get("b", 4)
}
