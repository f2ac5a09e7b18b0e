package ratelimit

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// local keeps a bounded number of budgets in memory. A token bucket admits what the GCRA of take.lua admits.
type local struct {
	now func() time.Time

	mu      sync.Mutex // checking several budgets and taking from them is one step
	buckets *simplelru.LRU[string, *rate.Limiter]
	seen    *simplelru.LRU[string, bool]
}

func newLocal(size int, now func() time.Time) *local {
	buckets, err := simplelru.NewLRU[string, *rate.Limiter](size, nil)
	if err != nil {
		panic(err) // only for a size below 1, which New does not pass
	}
	seen, err := simplelru.NewLRU[string, bool](size, nil)
	if err != nil {
		panic(err)
	}
	return &local{now: now, buckets: buckets, seen: seen}
}

func (l *local) take(budgets []Budget) []state {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	buckets := make([]*rate.Limiter, len(budgets))
	fits := true
	for i, b := range budgets {
		buckets[i] = l.bucket(b)
		fits = fits && buckets[i].TokensAt(now) >= 1
	}
	states := make([]state, len(budgets))
	for i, b := range budgets {
		if fits {
			buckets[i].AllowN(now, 1)
		}
		tokens := buckets[i].TokensAt(now)
		states[i] = state{left: max(int(tokens), 0), full: refill(b.Limit, float64(b.Limit.Requests)-tokens)}
		if !fits && tokens < 1 {
			states[i].wait = max(refill(b.Limit, 1-tokens), 1) // less than a nanosecond is still a wait
		}
	}
	return states
}

// give gives a request back.
func (l *local) give(b Budget) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bucket(b).AllowN(l.now(), -1)
}

func (l *local) remember(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen.Add(key, true)
}

func (l *local) remembers(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen.Contains(key)
}

func (l *local) bucket(b Budget) *rate.Limiter {
	key := b.key()
	if bucket, ok := l.buckets.Get(key); ok {
		return bucket
	}
	perSecond := rate.Limit(float64(b.Limit.Requests) / b.Limit.Per.Seconds())
	bucket := rate.NewLimiter(perSecond, b.Limit.Requests)
	l.buckets.Add(key, bucket)
	return bucket
}

func refill(l Limit, requests float64) time.Duration {
	return time.Duration(requests / float64(l.Requests) * float64(l.Per))
}
