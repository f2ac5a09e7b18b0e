// Package seatlock locks seats in Redis in front of PostgreSQL: one key per seat, with a token and a time to
// live. The locks are advisory: they refuse most losers of a race, and PostgreSQL decides.
package seatlock

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/rediskit"
)

var (
	//go:embed acquire.lua
	acquireSource string
	//go:embed extend.lua
	extendSource string
	//go:embed release.lua
	releaseSource string

	acquireScript = redis.NewScript(acquireSource)
	extendScript  = redis.NewScript(extendSource)
	releaseScript = redis.NewScript(releaseSource)
)

const (
	keyFormat   = "seat_lock:{%d}:%d" // show, seat; the show is the hash tag
	maxReleased = 1000                // keys of one script: Redis does nothing else meanwhile
	scanPage    = 500                 // keys that Redis looks at in one step
)

// Locks sets and releases seat locks. It is safe for concurrent use. Its methods fail with
// rediskit.ErrUnavailable if Redis does not reply; the locks may have been set or released then.
type Locks struct {
	client *rediskit.Client
}

// New returns Locks over client, which the caller closes.
func New(client *rediskit.Client) *Locks { return &Locks{client: client} }

// Acquire locks every seat of lock for ttl, or none. It returns the seats that are locked with another token.
func (l *Locks) Acquire(ctx context.Context, lock domain.SeatLock, ttl time.Duration) ([]domain.TakenSeat, error) {
	reply, err := acquireScript.Run(ctx, l.client, keys(lock), lock.Token, ttl.Milliseconds()).Slice()
	if err != nil {
		return nil, fmt.Errorf("acquire seat locks: %w", err)
	}
	var taken []domain.TakenSeat
	for i := 0; i+1 < len(reply); i += 2 {
		place, isPlace := reply[i].(int64)
		token, isToken := reply[i+1].(string)
		if !isPlace || !isToken || place < 1 || place > int64(len(lock.SeatIDs)) {
			return nil, fmt.Errorf("acquire seat locks: unexpected reply %v", reply)
		}
		taken = append(taken, domain.TakenSeat{SeatID: lock.SeatIDs[place-1], UserID: userOf(token)})
	}
	return taken, nil
}

// userOf returns the user of a token "user_id.random", or 0.
func userOf(token string) int64 {
	user, _, _ := strings.Cut(token, ".")
	id, err := strconv.ParseInt(user, 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// Extend makes the locks that carry the token expire after ttl. Locks that are gone stay so.
func (l *Locks) Extend(ctx context.Context, lock domain.SeatLock, ttl time.Duration) error {
	err := extendScript.Run(ctx, l.client, keys(lock), lock.Token, ttl.Milliseconds()).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("extend seat locks: %w", err)
	}
	return nil
}

// Release removes the locks that still carry their token.
func (l *Locks) Release(ctx context.Context, locks ...domain.SeatLock) error {
	names, tokens := map[int64][]string{}, map[int64][]any{} // by show
	for _, lock := range locks {
		for _, key := range keys(lock) {
			names[lock.ShowID] = append(names[lock.ShowID], key)
			tokens[lock.ShowID] = append(tokens[lock.ShowID], lock.Token)
		}
	}
	for show := range names {
		for start := 0; start < len(names[show]); start += maxReleased {
			end := min(start+maxReleased, len(names[show]))
			err := releaseScript.Run(ctx, l.client, names[show][start:end], tokens[show][start:end]...).Err()
			if err != nil && !errors.Is(err, redis.Nil) {
				return fmt.Errorf("release seat locks: %w", err)
			}
		}
	}
	return nil
}

func keys(lock domain.SeatLock) []string {
	names := make([]string, len(lock.SeatIDs))
	for i, seat := range lock.SeatIDs {
		names[i] = fmt.Sprintf(keyFormat, lock.ShowID, seat)
	}
	return names
}

// Lasting returns up to limit of the locks that expire later than grace from now, or never, and whether
// there may be more. It scans all keys of Redis.
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
