// Package seatmap keeps the seat maps of shows in memory, encoded as they are sent.
//
// A map is what was last read from PostgreSQL plus what this instance has committed since. So an instance shows its own
// changes at once, and those of others within Options.MaxAge.
package seatmap

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"evently/internal/domain"
	"evently/internal/respcache"
)

// maxDelay is how late a change may be reported: later, another instance may have undone it, so the map is read again.
const maxDelay = time.Second

// Reader reads seats from the database. Its methods return domain.ErrShowNotFound.
type Reader interface {
	// SeatsVersion returns a string that changes with the seats of the show and their status, expiry of holds excepted.
	SeatsVersion(ctx context.Context, showID int64) (string, error)
	// SeatPlan returns the seats of a show by row and number, and their version or an earlier one.
	SeatPlan(ctx context.Context, showID int64) (version string, seats []domain.PlannedSeat, err error)
}

// Options are the bounds of a Cache.
type Options struct {
	MaxAge   time.Duration // how long changes by other instances may go unnoticed
	MaxBytes int           // of all maps; the last one read is always kept
	Now      func() time.Time
}

// Cache keeps seat maps by show. It is safe for concurrent use.
type Cache struct {
	reader  Reader
	options Options

	mu    sync.Mutex // never held while a map is locked, read or encoded
	maps  map[int64]*showMap
	bytes int
}

// New returns an empty Cache.
func New(reader Reader, options Options) *Cache {
	return &Cache{reader: reader, options: options, maps: map[int64]*showMap{}}
}

// Get returns the seat map of a show, or domain.ErrShowNotFound. Concurrent calls share one read.
func (c *Cache) Get(ctx context.Context, showID int64) (*respcache.Body, error) {
	oldest := c.options.Now().Add(-c.options.MaxAge)
	m := c.find(showID)
	for {
		if body, fresh, err := m.body(oldest, c.options.Now()); fresh {
			return body, err
		}
		_, err, _ := m.refreshes.Do("", func() (any, error) {
			return nil, c.refresh(context.WithoutCancel(ctx), m)
		})
		if err != nil {
			return nil, err
		}
	}
}

// Changed applies a change that this instance has committed.
func (c *Cache) Changed(change domain.SeatChange) {
	if change.Took > maxDelay {
		c.Forget(change.ShowID)
		return
	}
	c.mu.Lock()
	m := c.maps[change.ShowID]
	c.mu.Unlock()
	if m != nil {
		now := c.options.Now()
		m.change(change, now.Add(-c.options.MaxAge), now)
	}
}

func (c *Cache) Forget(showID int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.maps[showID]; m != nil {
		c.drop(m)
	}
}

func (c *Cache) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.maps)
	c.bytes = 0
}

func (c *Cache) find(showID int64) *showMap {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.maps[showID]
	if m == nil {
		m = &showMap{showID: showID}
		c.maps[showID] = m
	}
	return m
}

// drop is called with c.mu held.
func (c *Cache) drop(m *showMap) {
	delete(c.maps, m.showID)
	c.bytes -= m.accounted
}

func (c *Cache) refresh(ctx context.Context, m *showMap) error {
	asked := c.options.Now()
	version, pending := m.beginRefresh()
	defer m.endRefresh()

	if version != "" {
		current, err := c.reader.SeatsVersion(ctx, m.showID)
		if err == nil && current == version {
			m.confirm(asked)
			return nil
		}
		if err != nil {
			c.failed(m, err)
			return err
		}
	}
	version, seats, err := c.reader.SeatPlan(ctx, m.showID)
	if err != nil {
		c.failed(m, err)
		return err
	}
	// The end of a hold is as inaccurate as the query was slow: then read the seats again next time.
	if c.options.Now().Sub(asked) > c.options.MaxAge && slices.ContainsFunc(seats, isHeld) {
		version = ""
	}
	c.account(m, m.load(version, seats, asked, pending))
	return nil
}

func isHeld(s domain.PlannedSeat) bool { return s.Status == domain.SeatLocked }

// failed drops a map whose show is gone or that was never read.
func (c *Cache) failed(m *showMap, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.maps[m.showID] == m && (m.accounted == 0 || errors.Is(err, domain.ErrShowNotFound)) {
		c.drop(m)
	}
}

// account drops other maps while there are too many, at random: by least recent use, shows asked for in turn would all
// miss as soon as one is too many.
func (c *Cache) account(m *showMap, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.maps[m.showID] != m {
		return // dropped while it was read
	}
	c.bytes += size - m.accounted
	m.accounted = size
	for _, other := range c.maps { // in random order
		if c.bytes <= c.options.MaxBytes {
			return
		}
		if other != m {
			c.drop(other)
		}
	}
}
