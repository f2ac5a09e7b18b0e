// Package seatlock locks seats in Redis in front of PostgreSQL: one key per seat, set by SET NX with a
// token and a time to live. It refuses most losers of a race without a database connection. The locks are
// advisory: PostgreSQL decides, and a lock that is left behind only delays a seat until it expires.
package seatlock

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/rediskit"
)

// The keys of a script belong to one show and share its hash tag, so that they share a slot of a cluster.
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

// maxReleased bounds the keys of one script: Redis does nothing else meanwhile.
const maxReleased = 1000

// Locks sets and releases seat locks. It is safe for concurrent use. Its methods fail with
// rediskit.ErrUnavailable if Redis does not reply; the locks may have been set or released then.
type Locks struct {
	client *rediskit.Client
}

// New returns Locks over client, which the caller closes.
func New(client *rediskit.Client) *Locks { return &Locks{client: client} }

// Acquire locks every seat of lock for ttl, or none. It returns the seats that are locked with another
// token; none means that all are locked. A seat that carries the token already counts as locked.
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

// Extend makes the locks that carry the token expire after ttl. Locks that are gone are set again, unless
// another token has locked the seat meanwhile.
func (l *Locks) Extend(ctx context.Context, lock domain.SeatLock, ttl time.Duration) error {
	err := extendScript.Run(ctx, l.client, keys(lock), lock.Token, ttl.Milliseconds()).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("extend seat locks: %w", err)
	}
	return nil
}

// Release removes the locks that still carry their token.
func (l *Locks) Release(ctx context.Context, locks ...domain.SeatLock) error {
	type show struct {
		keys   []string
		tokens []any
	}
	shows := map[int64]*show{}
	for _, lock := range locks {
		s := shows[lock.ShowID]
		if s == nil {
			s = &show{}
			shows[lock.ShowID] = s
		}
		for _, key := range keys(lock) {
			s.keys, s.tokens = append(s.keys, key), append(s.tokens, lock.Token)
		}
	}
	for _, s := range shows {
		for start := 0; start < len(s.keys); start += maxReleased {
			end := min(start+maxReleased, len(s.keys))
			err := releaseScript.Run(ctx, l.client, s.keys[start:end], s.tokens[start:end]...).Err()
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
