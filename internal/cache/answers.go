package cache

import (
	"context"
	"sync"
	"time"
)

// Answers keeps answers by a key that says what was asked. It is safe for concurrent use.
type Answers struct {
	options Options

	mu      sync.Mutex
	kept    *lru[string, *answer]
	flights map[string]*flight
	// forgotten is when Forget was last called: what was begun before is old by then.
	forgotten time.Time
	renewals  renewals
}

// Options are the bounds of a cache.
type Options struct {
	// MaxAge is how old an answer may be when it is given, counted from before it was asked for. 0
	// asks anew for each request, and once for those that come while it is under way.
	MaxAge time.Duration
	// RenewAfter, when not 0, is the age from which the next request has an answer renewed beside
	// it, and does not wait for that.
	RenewAfter time.Duration
	// MaxBytes bounds the memory for answers. At least one is always kept.
	MaxBytes int64
	// Now is the clock.
	Now func() time.Time
}

// answer is a Body and when it was asked for.
type answer struct {
	body  *Body
	asked time.Time
}

// flight is a question under way.
type flight struct {
	asked time.Time
	done  chan struct{}
	body  *Body
	err   error
}

// newFlight begins a question at now.
func newFlight(now time.Time) *flight { return &flight{asked: now, done: make(chan struct{})} }

// NewAnswers gives an empty cache.
func NewAnswers(options Options) *Answers {
	return &Answers{options: options, kept: newLRU[string, *answer](options.MaxBytes), flights: map[string]*flight{}}
}

// Get gives the answer for key: one that is fresh, or what ask gives. However many ask at once,
// ask is called once; it is not cancelled with the request that happens to be first, so it must
// end by itself. Its errors are given to those who waited, and not kept.
func (a *Answers) Get(ctx context.Context, key string, ask func(ctx context.Context) (*Body, error)) (*Body, error) {
	arrived := a.options.Now()
	for {
		a.mu.Lock()
		if kept, found := a.kept.get(key); found && a.fresh(kept.asked, arrived) {
			a.renew(ctx, key, arrived.Sub(kept.asked), ask)
			a.mu.Unlock()
			return kept.body, nil
		}
		f, found := a.flights[key]
		if !found {
			f = a.take(key, a.options.Now())
			a.mu.Unlock()
			a.land(ctx, key, f, ask)
			return f.body, f.err
		}
		a.mu.Unlock()
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if !f.asked.Before(arrived) {
			return f.body, f.err
		}
		// It was asked before we came: its answer may be good enough, and is not when there was a
		// change meanwhile.
		if f.err != nil {
			return nil, f.err
		}
	}
}

// Forget makes every answer that was asked for before now one of the past.
func (a *Answers) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forgotten = a.options.Now()
}

// Close waits for the renewals that are under way; there are no more from then on.
func (a *Answers) Close() { a.renewals.close() }

// fresh reports whether what was asked for at asked can be given to who came at arrived.
func (a *Answers) fresh(asked, arrived time.Time) bool {
	return !asked.Before(arrived.Add(-a.options.MaxAge)) && asked.After(a.forgotten)
}

// take begins a flight; the caller holds the lock.
func (a *Answers) take(key string, now time.Time) *flight {
	f := newFlight(now)
	a.flights[key] = f
	return f
}

// land asks, keeps the answer and lets those go on who wait for it.
func (a *Answers) land(ctx context.Context, key string, f *flight, ask func(ctx context.Context) (*Body, error)) {
	f.err = errPanicked // unless ask returns
	defer func() {
		a.mu.Lock()
		delete(a.flights, key)
		if f.err == nil {
			a.kept.put(key, &answer{body: f.body, asked: f.asked}, f.body.size()+int64(len(key)))
		}
		a.mu.Unlock()
		close(f.done)
	}()
	f.body, f.err = ask(context.WithoutCancel(ctx))
}

// renew asks beside the request for an answer that will be too old soon. The caller holds the lock.
func (a *Answers) renew(ctx context.Context, key string, age time.Duration, ask func(ctx context.Context) (*Body, error)) {
	if a.options.RenewAfter <= 0 || age < a.options.RenewAfter || a.flights[key] != nil {
		return
	}
	f := newFlight(a.options.Now())
	if a.renewals.begin(func() { a.land(ctx, key, f, ask) }) {
		a.flights[key] = f
	}
}
