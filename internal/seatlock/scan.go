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
	// scanPage is how many keys Redis looks at in one step: short enough to hold nobody up.
	scanPage = 500
	// keyFormat is the form of keys, for reading them back.
	keyFormat = "seat_lock:{%d}:%d"
)

// Lasting gives up to limit of the locks that last longer than grace from now on, or for ever, and
// whether there may be more. It walks the whole of Redis in small steps, every node of a cluster.
// It fails with ErrUnavailable.
func (l *Locks) Lasting(ctx context.Context, grace time.Duration, limit int) (locks []domain.HeldLock, more bool, err error) {
	var mu sync.Mutex
	walk := func(ctx context.Context, node *redis.Client) error {
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
	switch client := l.client.(type) {
	case *redis.ClusterClient:
		err = client.ForEachMaster(ctx, walk)
	case *redis.Client:
		err = walk(ctx, client)
	default:
		err = fmt.Errorf("no way to walk a %T", client)
	}
	if err != nil {
		return nil, false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if len(locks) > limit {
		locks, more = locks[:limit], true
	}
	return locks, more, nil
}

// readLocks reads token and time to live of keys that one node has, in one round trip. A key that
// went meanwhile, and one that is not ours, is left out.
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
		// Below zero: -1 is a key that never ends, -2 one that is gone.
		if ttl := ttls[i].Val(); ttl > grace || ttl == -1 {
			locks = append(locks, lock)
		}
	}
	return locks, nil
}
