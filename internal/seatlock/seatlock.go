// Package seatlock is the fast gate in front of PostgreSQL: one Redis key for every held seat,
// set by SET NX with a random token and a time to live. It turns most losers of a race away
// without a database connection. It is advisory: what it says "yes" to, PostgreSQL decides; a
// lock left behind may delay a seat until it runs out, and never sells it twice.
package seatlock

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"

	"evently/internal/domain"
	"evently/internal/redisbatch"
)

// The scripts touch the keys of one show alone. The show's id in braces is a hash tag, so in a
// Redis Cluster all of them live in one slot.
var (
	//go:embed take.lua
	takeSource string
	//go:embed acquire.lua
	acquireSource string
	//go:embed give.lua
	giveSource string
	//go:embed release.lua
	releaseSource string
	//go:embed release_many.lua
	releaseManySource string

	acquireScript = redis.NewScript(takeSource + acquireSource)
	releaseScript = redis.NewScript(giveSource + releaseSource)

	releaseManyScript = redis.NewScript(releaseManySource)
)

// ErrUnavailable tells that Redis did not answer, or was not asked because it failed a moment ago.
var ErrUnavailable = errors.New("the seat lock store is unavailable")

// Options are the bounds of Locks.
type Options struct {
	// Timeout bounds one round trip. 0 means 250 ms.
	Timeout time.Duration
	// Cooldown is how long Redis is left alone after it failed several times in a row. 0 means 2 s.
	Cooldown time.Duration
	// OnStateChange hears of it when the circuit breaker opens, half-opens and closes. May be nil.
	OnStateChange func(from, to string)
}

// Locks takes and releases seat locks. It is safe for concurrent use.
type Locks struct {
	client  redis.UniversalClient
	timeout time.Duration
	batch   *redisbatch.Batch
	breaker *gobreaker.CircuitBreaker[[]int64]
}

// failuresToOpen is how many round trips must fail in a row before the breaker opens: one lost
// packet is no outage, and each one costs a request its timeout.
const failuresToOpen = 3

// maxReleased is how many locks one call of a script releases: Redis does nothing else meanwhile.
const maxReleased = 1000

// New gives Locks over client, which the caller keeps and closes.
func New(client redis.UniversalClient, options Options) *Locks {
	if options.Timeout <= 0 {
		options.Timeout = 250 * time.Millisecond
	}
	if options.Cooldown <= 0 {
		options.Cooldown = 2 * time.Second
	}
	settings := gobreaker.Settings{
		Name:        "seatlock",
		Timeout:     options.Cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
		// A request that was cancelled by its client says nothing about Redis.
		IsSuccessful: func(err error) bool { return err == nil || errors.Is(err, context.Canceled) },
	}
	if options.OnStateChange != nil {
		settings.OnStateChange = func(_ string, from, to gobreaker.State) {
			options.OnStateChange(from.String(), to.String())
		}
	}
	return &Locks{
		client:  client,
		timeout: options.Timeout,
		batch:   redisbatch.New(client, options.Timeout),
		breaker: gobreaker.NewCircuitBreaker[[]int64](settings),
	}
}

// Acquire locks every seat of lock for ttl, or none. It gives the ids of the seats that somebody
// else has locked; none means that all are ours. ErrUnavailable means that nobody knows: the
// locks may or may not have been set.
func (l *Locks) Acquire(ctx context.Context, lock domain.SeatLock, ttl time.Duration) (taken []int64, err error) {
	taken, err = l.breaker.Execute(func() ([]int64, error) {
		result, err := l.batch.Run(ctx, acquireScript, keys(lock), lock.Token, ttl.Milliseconds())
		if err != nil {
			return nil, err
		}
		places, err := result.Int64Slice()
		if err != nil {
			return nil, err
		}
		ids := make([]int64, 0, len(places))
		for _, place := range places {
			if place < 1 || place > int64(len(lock.SeatIDs)) {
				return nil, fmt.Errorf("seat lock script answered place %d of %d", place, len(lock.SeatIDs))
			}
			ids = append(ids, lock.SeatIDs[place-1])
		}
		return ids, nil
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return taken, nil
}

// Release removes those of the locks that still carry their token, in one round trip a show.
// A lock that ran out and was taken by somebody else meanwhile stays.
func (l *Locks) Release(ctx context.Context, locks ...domain.SeatLock) error {
	if len(locks) == 0 {
		return nil
	}
	_, err := l.breaker.Execute(func() ([]int64, error) {
		if len(locks) == 1 {
			result, err := l.batch.Run(ctx, releaseScript, keys(locks[0]), locks[0].Token)
			if err != nil {
				return nil, err
			}
			return nil, result.Err()
		}
		return nil, l.releaseMany(ctx, locks)
	})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return nil
}

// releaseMany releases what a sweep has ended: the locks of a show go together, a thousand seats a
// call. EVALSHA inside a pipeline cannot fall back to EVAL for one command, and beside a thousand keys
// the script itself is nothing.
func (l *Locks) releaseMany(ctx context.Context, locks []domain.SeatLock) error {
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
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	_, err := l.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, s := range shows {
			for at := 0; at < len(s.keys); at += maxReleased {
				end := min(at+maxReleased, len(s.keys))
				releaseManyScript.Eval(ctx, pipe, s.keys[at:end], s.tokens[at:end]...)
			}
		}
		return nil
	})
	return err
}

func keys(lock domain.SeatLock) []string { return Keys(lock.ShowID, lock.SeatIDs) }

// Keys gives the key of the lock of each seat of a show.
func Keys(showID int64, seatIDs []int64) []string {
	const most = len("seat_lock:{}:") + 2*20
	text := make([]byte, 0, most*len(seatIDs))
	ends := make([]int, len(seatIDs))
	for i, id := range seatIDs {
		text = append(text, "seat_lock:{"...)
		text = strconv.AppendInt(text, showID, 10)
		text = append(text, "}:"...)
		text = strconv.AppendInt(text, id, 10)
		ends[i] = len(text)
	}
	all, names, start := string(text), make([]string, len(seatIDs)), 0 // one piece of memory for all
	for i, end := range ends {
		names[i], start = all[start:end], end
	}
	return names
}

// TakeSource is the Lua function take(first, token, ttl), which takes the locks whose keys are KEYS[first]
// and on as Acquire does, for a script that does something else for the same show in the same round trip.
func TakeSource() string { return takeSource }

// GiveSource is, likewise, give(first, token), which releases locks as Release does.
func GiveSource() string { return giveSource }
