package seatlock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
)

const (
	// scanPage is how many keys Redis looks at in one step.
	scanPage = 500
	// keyFormat is the name of a key: show, then seat.
	keyFormat = "seat_lock:{%d}:%d"
)

// Lasting returns up to limit of the locks that expire later than grace from now, or never, and whether
// there may be more. It scans all keys of Redis in small steps, on every node of a cluster.
func (l *Locks) Lasting(ctx context.Context, grace time.Duration, limit int) (locks []domain.HeldLock, more bool, err error) {
	var mu sync.Mutex
	scan := func(ctx context.Context, node *redis.Client) error {
		var cursor uint64
		for {
			keys, next, err := node.Scan(ctx, cursor, "seat_lock:*", scanPage).Result()
			if err != nil {
				return err
			}
			found, err := readLocks(ctx, node, keys, grace)
			if err != nil {
				return err
			}
			mu.Lock()
			locks = append(locks, found...)
			full := len(locks) > limit
			mu.Unlock()
			if cursor = next; cursor == 0 || full {
				return nil
			}
		}
	}
	if err := l.client.ForEachMaster(ctx, scan); err != nil {
		return nil, false, fmt.Errorf("scan seat locks: %w", err)
	}
	if len(locks) > limit {
		locks, more = locks[:limit], true
	}
	return locks, more, nil
}

// readLocks reads the token and the time to live of keys of one node. Keys that have gone meanwhile or
// have another format are left out.
func readLocks(ctx context.Context, node *redis.Client, keys []string, grace time.Duration) ([]domain.HeldLock, error) {
	tokens, ttls := make([]*redis.StringCmd, len(keys)), make([]*redis.DurationCmd, len(keys))
	_, err := node.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, key := range keys {
			tokens[i], ttls[i] = pipe.Get(ctx, key), pipe.PTTL(ctx, key)
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	var locks []domain.HeldLock
	for i, key := range keys {
		lock := domain.HeldLock{Token: tokens[i].Val()}
		if _, err := fmt.Sscanf(key, keyFormat, &lock.ShowID, &lock.SeatID); err != nil || tokens[i].Err() != nil {
			continue
		}
		// PTTL is -1 for a key that never expires, and -2 for one that is gone.
		if ttl := ttls[i].Val(); ttl > grace || ttl == -1 {
			locks = append(locks, lock)
		}
	}
	return locks, nil
}
