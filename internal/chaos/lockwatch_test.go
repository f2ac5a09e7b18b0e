package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// lockWatch polls the seat locks in Redis. The lock of a live hold must stay until the hold expires,
// even if other locks of that seat are released; only a loss of Redis excuses it.
type lockWatch struct {
	client *redis.Client
	pool   *pgxpool.Pool
	epoch  atomic.Int64 // changes when Redis loses its data

	mu      sync.Mutex
	watched map[int64]bool // bookings that one request made and acknowledged, so that no other releases their locks
	polls   int
	lost    []string
	last    map[string]seenLock
}

// seenLock is a lock as the last poll saw it.
type seenLock struct {
	token string
	until time.Time
	epoch int64
}

// roundingSlack is how much before its end a lock may be gone.
const roundingSlack = 20 * time.Millisecond

// redisLoses marks a loss of Redis's data between this call and that of the returned function.
func (w *lockWatch) redisLoses() func() {
	w.epoch.Add(1)
	return func() { w.epoch.Add(1) }
}

func (w *lockWatch) watch(booking int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watched[booking] = true
}

func (w *lockWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.poll(ctx)
		pause(ctx, 10*time.Millisecond)
	}
}

// poll compares the locks with those of the last poll.
func (w *lockWatch) poll(ctx context.Context) {
	epoch := w.epoch.Load()
	seen, err := w.read(ctx, epoch)
	if err != nil {
		return
	}
	after := time.Now()
	var suspects []string
	w.mu.Lock()
	w.polls++
	for key, before := range w.last {
		if before.epoch == epoch && seen[key].token != before.token && after.Before(before.until.Add(-roundingSlack)) {
			suspects = append(suspects, before.token)
		}
	}
	w.last = seen
	w.mu.Unlock()
	if len(suspects) > 0 {
		w.judge(ctx, suspects, epoch)
	}
}

func (w *lockWatch) read(ctx context.Context, epoch int64) (map[string]seenLock, error) {
	now := time.Now()
	keys, err := w.client.Keys(ctx, "seat_lock:*").Result()
	if err != nil {
		return nil, err
	}
	seen := map[string]seenLock{}
	for _, key := range keys {
		token, err := w.client.Get(ctx, key).Result()
		ttl, ttlErr := w.client.PTTL(ctx, key).Result()
		if err == nil && ttlErr == nil && ttl > 0 {
			seen[key] = seenLock{token: token, until: now.Add(ttl), epoch: epoch}
		}
	}
	return seen, nil
}

// judge records the live holds among those whose locks are gone. A release follows its commit, so the lock
// of a booking that is still held was lost.
func (w *lockWatch) judge(ctx context.Context, tokens []string, epoch int64) {
	rows, err := w.pool.Query(ctx, `
		SELECT booking_id
		FROM bookings
		WHERE lock_token = ANY ($1) AND status = 'PENDING' AND expires_at > now()`, tokens)
	if err != nil {
		return
	}
	defer rows.Close()
	for rows.Next() {
		var booking int64
		if rows.Scan(&booking) != nil {
			return
		}
		text := fmt.Sprintf("booking %d is held and has lost its seat locks", booking)
		w.mu.Lock()
		if w.watched[booking] && w.epoch.Load() == epoch && !slices.Contains(w.lost, text) {
			w.lost = append(w.lost, text)
		}
		w.mu.Unlock()
	}
}
