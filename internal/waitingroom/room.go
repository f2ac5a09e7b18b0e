// Package waitingroom lets users into the booking of a show fairly: first come, first served, in
// batches, and never more than the cap at once over all instances.
//
// Its state lives in Redis, where each decision is one script, and may be lost: then everybody
// queues anew. Room asks and changes it, Worker admits with the help of asynq, Hub tells those who
// hold an event stream.
package waitingroom

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	"evently/internal/domain"
	"evently/internal/redisbatch"
)

// Store is what PostgreSQL keeps for waiting rooms.
type Store interface {
	// RoomOverrides gives what an admin set for a show. It fails with domain.ErrShowNotFound.
	RoomOverrides(ctx context.Context, showID int64) (domain.RoomOverrides, error)
	// ChangeRoomOverrides applies a change and gives the whole. It fails with domain.ErrShowNotFound.
	ChangeRoomOverrides(ctx context.Context, showID int64, change domain.RoomChange) (domain.RoomOverrides, error)
}

// Metrics hears of what happens. All its methods must return at once.
type Metrics interface {
	// RoomUnavailable counts a call that Redis did not answer.
	RoomUnavailable()
	// RoomAdmitted counts users let in out of a queue.
	RoomAdmitted(n int)
}

// Options are the bounds of a Room. All are required unless they say otherwise.
type Options struct {
	Defaults domain.RoomSettings
	// AdmitInterval is the time between two batches.
	AdmitInterval time.Duration
	// Grace is how long a user counts as present after a sign of life.
	Grace time.Duration
	// Abandon is how long a place is kept after a sign of life. At least Grace.
	Abandon time.Duration
	// SessionTTL is how long an admission lasts.
	SessionTTL time.Duration
	// Secret keys the tokens of places. It must be the same on all instances.
	Secret []byte

	// SettingsTTL is how long Redis keeps the settings of a show before they are read from
	// PostgreSQL again. 0 means a minute.
	SettingsTTL time.Duration
	// Timeout bounds one round trip of a request. 0 means 250 ms.
	Timeout time.Duration
	// Cooldown is how long Redis is left alone after it failed several times in a row. 0 means 2 s.
	Cooldown time.Duration
	// Tracer makes spans of ticks. Nil traces nothing.
	Tracer trace.TracerProvider
	// Metrics may be nil.
	Metrics Metrics
	// SeatLocks says how the locks of seats are taken, together with the question whether their user
	// may come in, and released together with their admission. Without them EnterToLock and Settle are missing.
	SeatLocks SeatLocks
	// OnStateChange hears of it when the circuit breaker opens, half-opens and closes. May be nil.
	OnStateChange func(from, to string)
	// Now replaces the clock of Redis. Nil in production: there is one clock for all instances.
	Now func() time.Time
}

// idleTTL is how long the keys of a room stay after its last use: longer than anything in them
// means something.
func (o Options) idleTTL() time.Duration {
	return 2*max(o.Abandon, o.SessionTTL, 3*time.Minute) + time.Minute
}

// Room is the waiting rooms of all shows. It is safe for concurrent use.
type Room struct {
	client  redis.UniversalClient
	batch   *redisbatch.Batch
	queue   *asynq.Client
	store   Store
	options Options
	secret  []byte
	log     *slog.Logger

	scripts scripts
	breaker *gobreaker.CircuitBreaker[[]any]
	loads   singleflight.Group
}

// failuresToOpen is how many round trips must fail in a row before Redis is left alone.
const failuresToOpen = 3

// New gives a Room over client, which the caller keeps and closes.
func New(client redis.UniversalClient, store Store, options Options, log *slog.Logger) *Room {
	if options.SettingsTTL <= 0 {
		options.SettingsTTL = time.Minute
	}
	if options.Timeout <= 0 {
		options.Timeout = 250 * time.Millisecond
	}
	if options.Cooldown <= 0 {
		options.Cooldown = 2 * time.Second
	}
	if options.Metrics == nil {
		options.Metrics = noMetrics{}
	}
	if options.OnStateChange == nil {
		options.OnStateChange = func(string, string) {}
	}
	// The secret signs other things too: a key of its own keeps their signatures apart.
	key := hmac.New(sha256.New, options.Secret)
	key.Write([]byte("waiting room place"))

	r := &Room{
		client:  client,
		batch:   redisbatch.New(client, options.Timeout),
		queue:   asynq.NewClientFromRedisClient(client),
		store:   store,
		options: options,
		secret:  key.Sum(nil),
		scripts: newScripts(options),
		log:     log,
	}
	r.breaker = gobreaker.NewCircuitBreaker[[]any](gobreaker.Settings{
		Name:        "waitingroom",
		Timeout:     options.Cooldown,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failuresToOpen },
		// A request that was cancelled by its client says nothing about Redis.
		IsSuccessful:  func(err error) bool { return err == nil || errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, from, to gobreaker.State) { options.OnStateChange(from.String(), to.String()) },
	})
	return r
}

// Enter lets the user pass, if it is their turn or nobody waits and there is room, or gives them
// a place in the queue, or tells them the one that they have. It is a sign of life. It fails with
// domain.ErrShowNotFound, which leaves no trace in Redis, or ErrWaitingRoomUnavailable.
func (r *Room) Enter(ctx context.Context, showID, userID int64) (domain.RoomStatus, error) {
	answer, err := r.ask(ctx, r.scripts.enter, showID, userID)
	if err != nil {
		return domain.RoomStatus{}, err
	}
	return r.status(showID, userID, answer, answer.rest), nil
}

// Status tells where the user stands. It is a sign of life. It fails with domain.ErrShowNotFound
// or ErrWaitingRoomUnavailable.
func (r *Room) Status(ctx context.Context, showID, userID int64) (domain.RoomStatus, error) {
	answer, err := r.ask(ctx, r.scripts.status, showID, userID)
	if err != nil {
		return domain.RoomStatus{}, err
	}
	return r.status(showID, userID, answer, answer.rest), nil
}

// statuses is Status for many users of one show in one round trip, in their order.
func (r *Room) statuses(ctx context.Context, showID int64, userIDs []int64) ([]domain.RoomStatus, error) {
	args := make([]any, len(userIDs))
	for i, id := range userIDs {
		args[i] = id
	}
	answer, err := r.ask(ctx, r.scripts.status, showID, args...)
	if err != nil {
		return nil, err
	}
	list := make([]domain.RoomStatus, len(userIDs))
	for i, id := range userIDs {
		list[i] = r.status(showID, id, answer, answer.rest[statusSize*i:])
	}
	return list, nil
}

// Leave gives up the user's place in the queue or their admission. It fails with
// domain.ErrShowNotFound or ErrWaitingRoomUnavailable.
func (r *Room) Leave(ctx context.Context, showID, userID int64) error {
	_, err := r.ask(ctx, r.scripts.leave, showID, userID, "place")
	return err
}

// View tells how the room of a show is doing. It fails with domain.ErrShowNotFound or
// ErrWaitingRoomUnavailable.
func (r *Room) View(ctx context.Context, showID int64) (domain.RoomView, error) {
	answer, err := r.ask(ctx, r.scripts.view, showID)
	if err != nil {
		return domain.RoomView{}, err
	}
	return view(showID, answer), nil
}

// Configure changes the settings of one show, at once and on all instances. It fails with
// domain.ErrShowNotFound. With ErrWaitingRoomUnavailable the change is stored and takes effect
// when Redis is back, after SettingsTTL at the latest; asking again does no harm.
func (r *Room) Configure(ctx context.Context, showID int64, change domain.RoomChange) (domain.RoomView, error) {
	overrides, err := r.store.ChangeRoomOverrides(ctx, showID, change)
	if err != nil {
		return domain.RoomView{}, err
	}
	answer, err := r.guarded(ctx, r.scripts.view, showID, nil, &overrides)
	if err != nil {
		return domain.RoomView{}, err
	}
	return view(showID, answer), nil
}

// ask runs a script within the breaker, with the settings of the show if they are missing, and
// schedules a tick if the answer says so.
func (r *Room) ask(ctx context.Context, script *redis.Script, showID int64, args ...any) (answer, error) {
	return r.askWithLock(ctx, script, showID, nil, args...)
}

// askWithLock is ask for a script that takes or releases locks, if lock is not nil.
func (r *Room) askWithLock(ctx context.Context, script *redis.Script, showID int64, lock *domain.EarlyLock, args ...any) (answer, error) {
	a, err := r.guarded(ctx, script, showID, lock, nil, args...)
	if err != nil || a.code != codeMissing {
		return a, err
	}
	overrides, err := r.load(ctx, showID)
	if err != nil {
		return answer{}, err
	}
	return r.guarded(ctx, script, showID, lock, &overrides, args...)
}

// guarded is one round trip within the breaker.
func (r *Room) guarded(ctx context.Context, script *redis.Script, showID int64, lock *domain.EarlyLock, overrides *domain.RoomOverrides, args ...any) (answer, error) {
	raw, err := r.breaker.Execute(func() ([]any, error) {
		if lock != nil {
			lock.State = domain.LockUnknown // until there is an answer
		}
		return r.eval(ctx, script, showID, lock, overrides, args...)
	})
	if lock != nil && (err == nil || errors.Is(err, redisbatch.ErrNotSent)) {
		lock.State = domain.LockUntried // unless the answer says more
	}
	if err != nil {
		if ctx.Err() != nil {
			return answer{}, context.Cause(ctx)
		}
		r.options.Metrics.RoomUnavailable()
		return answer{}, domain.ErrWaitingRoomUnavailable.WithCause(err)
	}
	a := parse(raw)
	if a.arm {
		r.armBestEffort(ctx, showID, a.now)
	}
	return a, nil
}

// eval runs a script with what all scripts are told.
func (r *Room) eval(ctx context.Context, script *redis.Script, showID int64, lock *domain.EarlyLock, overrides *domain.RoomOverrides, args ...any) ([]any, error) {
	o := &r.options
	now := int64(0)
	if o.Now != nil {
		now = o.Now().UnixMilli()
	}
	settings := ""
	if overrides != nil {
		s := overrides.Over(o.Defaults)
		settings = fmt.Sprintf("%s %d %d %d", s.Mode, s.MaxUsers, s.BatchSize, overrides.Version)
	}
	argv := append(make([]any, 0, 3+len(args)), now, showID, settings)
	names := keys(showID)
	if lock != nil && len(lock.SeatIDs) > 0 {
		names = append(names, r.options.SeatLocks.Keys(showID, lock.SeatIDs)...)
	}
	result, err := r.batch.Run(ctx, script, names, append(argv, args...)...)
	if err != nil {
		return nil, err
	}
	return result.Slice()
}

// load reads the overrides of a show. When a rush begins, one query an instance answers all.
func (r *Room) load(ctx context.Context, showID int64) (domain.RoomOverrides, error) {
	// The query serves others too, so it does not end with the request that happens to be first.
	shared := context.WithoutCancel(ctx)
	done := r.loads.DoChan(strconv.FormatInt(showID, 10), func() (any, error) {
		return r.store.RoomOverrides(shared, showID)
	})
	select {
	case result := <-done:
		overrides, _ := result.Val.(domain.RoomOverrides)
		return overrides, result.Err
	case <-ctx.Done():
		return domain.RoomOverrides{}, context.Cause(ctx)
	}
}

// answer is what a script said.
type answer struct {
	code    int64
	now     time.Time // by Redis' clock
	arm     bool      // the caller is to schedule a tick
	epoch   int64     // of the sequence numbers
	rate    int64     // admissions in a million seconds; 0 is unknown
	holders int64     // users who hold a place
	rest    []int64
	mode    string // of view.lua alone
}

func parse(raw []any) answer {
	numbers := make([]int64, max(len(raw), headerSize))
	a := answer{}
	for i, v := range raw {
		switch v := v.(type) {
		case int64:
			numbers[i] = v
		case string:
			a.mode = v
		}
	}
	a.code, a.now, a.arm = numbers[atCode], time.UnixMilli(numbers[atNow]), numbers[atArm] == 1
	a.epoch, a.rate, a.holders = numbers[atEpoch], numbers[atRate], numbers[atHolders]
	a.rest = numbers[headerSize:]
	return a
}

// status reads one user's three numbers.
func (r *Room) status(showID, userID int64, a answer, numbers []int64) domain.RoomStatus {
	s := domain.RoomStatus{ShowID: showID, State: domain.RoomNone}
	switch numbers[0] {
	case codeAdmitted:
		s.State = domain.RoomAdmitted
		s.AdmittedUntil = time.UnixMilli(numbers[1]).UTC()
	case codeWaiting:
		s.State = domain.RoomWaiting
		s.Token = r.token(showID, userID, numbers[1], a.epoch)
		s.Position = numbers[2] + 1
		s.EstimatedWait = estimate(s.Position, a.rate)
	}
	return s
}

// estimate gives how long a position takes at a rate of admissions per million seconds, rounded
// up to seconds; 0 when the rate is not known.
func estimate(position, rate int64) time.Duration {
	if rate <= 0 {
		return 0
	}
	return time.Duration((position*1_000_000+rate-1)/rate) * time.Second
}

// token names a place without storing it. Another user, another place or a queue that began anew
// has another one.
func (r *Room) token(showID, userID, seq, epoch int64) string {
	mac := hmac.New(sha256.New, r.secret)
	mac.Write(fmt.Appendf(nil, "%d|%d|%d|%d", showID, userID, seq, epoch))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

func view(showID int64, a answer) domain.RoomView {
	return domain.RoomView{
		ShowID:             showID,
		Settings:           domain.RoomSettings{Mode: domain.RoomMode(a.mode), MaxUsers: a.rest[4], BatchSize: a.rest[5]},
		Waiting:            a.holders,
		Away:               a.rest[0],
		Admitted:           a.rest[1],
		AdmittedLastMinute: a.rest[2],
		OldestWait:         time.Duration(a.rest[3]) * time.Millisecond,
	}
}

type noMetrics struct{}

func (noMetrics) RoomUnavailable() {}
func (noMetrics) RoomAdmitted(int) {}
