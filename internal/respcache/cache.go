// Package respcache keeps encoded responses in memory for a short time.
package respcache

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/sync/singleflight"

	"evently/internal/domain"
)

const maxEntries = 10_000

// Options are the bounds of a Cache.
type Options struct {
	MaxAge   time.Duration // counted from before a response was loaded; 0 disables the cache
	MaxBytes int           // of all responses; at least one is always kept
	Now      func() time.Time
}

// Cache keeps responses by key until they are too old: nothing invalidates them. It is safe for concurrent use.
type Cache struct {
	options Options
	flights singleflight.Group

	mu      sync.Mutex
	entries *simplelru.LRU[string, entry]
	bytes   int
}

type entry struct {
	body  *Body
	asked time.Time
	size  int
}

// New returns an empty Cache.
func New(options Options) *Cache {
	c := &Cache{options: options}
	// It fails only for sizes that are not positive.
	c.entries, _ = simplelru.NewLRU(maxEntries, func(_ string, e entry) { c.bytes -= e.size })
	return c
}

// Get returns the cached response for key, or the JSON of what load returns. Concurrent calls share one load, which is
// not cancelled with ctx. Errors are not cached.
func (c *Cache) Get(ctx context.Context, key string, load func(ctx context.Context) (any, error)) (*Body, error) {
	if c.options.MaxAge <= 0 {
		return encode(ctx, load)
	}
	oldest := c.options.Now().Add(-c.options.MaxAge)
	for {
		if e, found := c.cached(key, oldest); found {
			return e.body, nil
		}
		loaded, err, _ := c.flights.Do(key, func() (any, error) {
			if e, found := c.cached(key, oldest); found {
				return e, nil // loaded by another call in between
			}
			return c.load(context.WithoutCancel(ctx), key, load)
		})
		if err != nil {
			return nil, err
		}
		// A load that was already running may have begun too long ago.
		if e, _ := loaded.(entry); !e.asked.Before(oldest) {
			return e.body, nil
		}
	}
}

func (c *Cache) load(ctx context.Context, key string, load func(ctx context.Context) (any, error)) (entry, error) {
	asked := c.options.Now()
	body, err := encode(ctx, load)
	if err != nil {
		return entry{}, err
	}
	e := entry{body: body, asked: asked, size: body.size() + len(key)}
	c.keep(key, e)
	return e, nil
}

func encode(ctx context.Context, load func(ctx context.Context) (any, error)) (*Body, error) {
	response, err := load(ctx)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(response)
	if err != nil {
		return nil, domain.ErrInternal.WithCause(err)
	}
	return NewBody(plain), nil
}

func (c *Cache) cached(key string, oldest time.Time) (e entry, found bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, found = c.entries.Get(key)
	return e, found && !e.asked.Before(oldest)
}

func (c *Cache) keep(key string, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries.Remove(key)
	c.entries.Add(key, e)
	c.bytes += e.size
	for c.bytes > c.options.MaxBytes && c.entries.Len() > 1 {
		c.entries.RemoveOldest()
	}
}
