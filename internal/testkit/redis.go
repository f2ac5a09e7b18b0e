package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// claimTTL ends the claim of a process that was killed.
	claimTTL = 30 * time.Minute
	// claimWait is how long a test waits for a free database, asking every claimPoll.
	claimWait = time.Minute
	claimPoll = 10 * time.Millisecond
	// defaultDatabases is what a server has that does not tell (managed ones forbid CONFIG).
	defaultDatabases = 16
)

// RedisURL gives an empty numbered database for this test alone, as a redis:// URL. It is emptied
// and given back when the test ends.
func RedisURL(t testing.TB) string {
	t.Helper()
	shared.need(t)
	ctx, cancel := context.WithTimeout(t.Context(), claimWait)
	defer cancel()
	n, err := shared.redis.claim(ctx)
	if err != nil {
		t.Fatalf("testkit: no free Redis database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := shared.redis.release(ctx, n); err != nil {
			t.Errorf("testkit: give the Redis database back: %v", err)
		}
	})
	u, err := shared.redis.urlOf(n)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	return u
}

// Redis gives a client on an empty numbered database. Both end with the test.
func Redis(t testing.TB) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(RedisURL(t))
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() {
		if err := client.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			t.Errorf("testkit: close Redis: %v", err)
		}
	})
	return client
}

// redisNumbers hands out the numbered databases of one server from 1 on. Database 0 is where
// processes that share the server claim a number, each with one key that nobody else can set.
type redisNumbers struct {
	serverURL string
	external  bool
	owner     string
	admin     *redis.Client
	initErr   error
	free      chan int
}

func (r *redisNumbers) init(serverURL string, external bool, owner string) {
	r.serverURL, r.external, r.owner = serverURL, external, owner
	options, err := redis.ParseURL(serverURL)
	if err != nil {
		r.initErr = fmt.Errorf("TEST_REDIS_URL: %w", err)
		return
	}
	options.DB = 0
	r.admin = redis.NewClient(options)
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if r.initErr = r.admin.Ping(ctx).Err(); r.initErr != nil {
		return
	}
	count := defaultDatabases
	if config, err := r.admin.ConfigGet(ctx, "databases").Result(); err == nil {
		if n, err := strconv.Atoi(config["databases"]); err == nil {
			count = n
		}
	}
	// First in, first out: a number rests before it is used again.
	r.free = make(chan int, count)
	for n := 1; n < count; n++ {
		r.free <- n
	}
}

// claim returns the number of a database that nobody else uses, emptied.
func (r *redisNumbers) claim(ctx context.Context) (int, error) {
	if r.initErr != nil {
		return 0, r.initErr
	}
	tick := time.NewTicker(claimPoll)
	defer tick.Stop()
	for {
		select {
		case n := <-r.free:
			ok, err := r.tryClaim(ctx, n)
			if ok {
				return n, nil
			}
			r.free <- n
			if err != nil {
				return 0, err
			}
			// Another process has it: go on with the next.
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		// Only on a server shared with other processes; do not storm it.
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

func (r *redisNumbers) tryClaim(ctx context.Context, n int) (bool, error) {
	if r.external {
		ok, err := r.admin.SetNX(ctx, claimKey(n), r.owner, claimTTL).Result()
		if !ok || err != nil {
			return false, err
		}
	}
	if err := r.flush(ctx, n); err != nil {
		return false, errors.Join(err, r.unclaim(ctx, n))
	}
	return true, nil
}

func (r *redisNumbers) release(ctx context.Context, n int) error {
	err := errors.Join(r.flush(ctx, n), r.unclaim(ctx, n))
	r.free <- n
	return err
}

// unclaim gives the number back to other processes if it is still ours: a claim that ran out may
// belong to somebody else by now.
func (r *redisNumbers) unclaim(ctx context.Context, n int) error {
	if !r.external {
		return nil
	}
	const compareAndDelete = `if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end return 0`
	return r.admin.Eval(ctx, compareAndDelete, []string{claimKey(n)}, r.owner).Err()
}

// flush empties one database, on a connection that was opened for it. Selecting it on one of the
// administrator's would empty the wrong one should the selection fail.
func (r *redisNumbers) flush(ctx context.Context, n int) error {
	options := *r.admin.Options()
	options.DB = n
	options.PoolSize, options.MinIdleConns = 1, 0
	client := redis.NewClient(&options)
	return errors.Join(client.FlushDB(ctx).Err(), client.Close())
}

func (r *redisNumbers) urlOf(n int) (string, error) {
	u, err := url.Parse(r.serverURL)
	if err != nil {
		return "", fmt.Errorf("TEST_REDIS_URL: %w", err)
	}
	u.Path = "/" + strconv.Itoa(n)
	return u.String(), nil
}

func (r *redisNumbers) close() error {
	if r.admin == nil {
		return nil
	}
	return r.admin.Close()
}

func claimKey(n int) string { return "evently-test-claim:" + strconv.Itoa(n) }
