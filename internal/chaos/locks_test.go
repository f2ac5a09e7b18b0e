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

// lockWatch looks at the seat locks in Redis all the time. A lock of a hold that lives must stay
// until its time is over, whoever else gives up a lock of that seat; only Redis itself may lose it.
type lockWatch struct {
	client *redis.Client
	pool   *pgxpool.Pool
	epoch  atomic.Int64 // changes when Redis loses its data

	mu      sync.Mutex
	acked   map[int64]bool // bookings whose first request was told so: no other will release their locks
	looks   int
	gone    []string
	lasting map[string]seenLock
}

// seenLock is a lock as it was seen last.
type seenLock struct {
	token string
	until time.Time
	epoch int64
}

// early is how much before its end a lock may be gone, for times that are rounded.
const early = 20 * time.Millisecond

// lost tells that Redis loses its data between this call and that of what it gives.
func (w *lockWatch) lost() func() {
	w.epoch.Add(1)
	return func() { w.epoch.Add(1) }
}

func (w *lockWatch) ack(booking int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[booking] = true
}

func (w *lockWatch) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.look(ctx)
		pause(ctx, 10*time.Millisecond)
	}
}

// look compares what is there with what was there.
func (w *lockWatch) look(ctx context.Context) {
	epoch := w.epoch.Load()
	now := time.Now()
	keys, err := w.client.Keys(ctx, "seat_lock:*").Result()
	if err != nil {
		return
	}
	seen := map[string]seenLock{}
	for _, key := range keys {
		token, err := w.client.Get(ctx, key).Result()
		ttl, ttlErr := w.client.PTTL(ctx, key).Result()
		if err == nil && ttlErr == nil && ttl > 0 {
			seen[key] = seenLock{token: token, until: now.Add(ttl), epoch: epoch}
		}
	}
	after := time.Now()
	var suspects []string
	w.mu.Lock()
	w.looks++
	for key, before := range w.lasting {
		if before.epoch == epoch && seen[key].token != before.token && after.Before(before.until.Add(-early)) {
			suspects = append(suspects, before.token)
		}
	}
	w.lasting = seen
	w.mu.Unlock()
	if len(suspects) == 0 {
		return
	}
	// A release follows its commit: what is still held now had no right to lose its lock before.
	rows, err := w.pool.Query(ctx, `
		SELECT booking_id, lock_token
		FROM bookings
		WHERE lock_token = ANY ($1) AND status = 'PENDING' AND expires_at > now()`, suspects)
	if err != nil {
		return
	}
	defer rows.Close()
	for rows.Next() {
		var booking int64
		var token string
		if rows.Scan(&booking, &token) != nil {
			return
		}
		w.mu.Lock()
		if text := fmt.Sprintf("booking %d is held and has lost its seat locks", booking); w.acked[booking] &&
			w.epoch.Load() == epoch && !slices.Contains(w.gone, text) {
			w.gone = append(w.gone, text)
		}
		w.mu.Unlock()
	}
}
