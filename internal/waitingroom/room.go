// Package waitingroom admits users to the booking of a show: first come, first served, in batches, and never
// more than a maximum at once over all instances. Its state in Redis may be lost: then all users queue again.
package waitingroom

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/singleflight"

	"evently/internal/domain"
	"evently/internal/rediskit"
)

// Store keeps what admins set for the room of a show. It fails with domain.ErrShowNotFound.
type Store interface {
	RoomOverrides(ctx context.Context, showID int64) (domain.RoomOverrides, error)
	ChangeRoomOverrides(ctx context.Context, showID int64, change domain.RoomChange) (domain.RoomOverrides, error)
}

// Metrics counts events.
type Metrics interface {
	RoomUnavailable()   // a call failed because of Redis
	RoomAdmitted(n int) // n users were admitted out of a queue
}

// Options configure a Room. All are required unless they say otherwise.
type Options struct {
	Defaults      domain.RoomSettings
	AdmitInterval time.Duration // between two batches
	Grace         time.Duration // how long a user counts as present after a sign of life
	Abandon       time.Duration // how long a place is kept after a sign of life; at least Grace
	SessionTTL    time.Duration // how long an admission lasts
	PerNetwork    int           // users waiting or admitted per show and client network; 0 is no limit
	SettingsTTL   time.Duration // how long Redis keeps the settings of a show; default a minute

	Tracer  trace.TracerProvider // makes spans of ticks; may be nil
	Metrics Metrics              // may be nil
	Now     func() time.Time     // replaces the clock of Redis in tests
}

// idleTTL is the time to live of the keys of a room after its last use.
func (o Options) idleTTL() time.Duration {
	return 2*max(o.Abandon, o.SessionTTL, 3*time.Minute) + time.Minute
}

// Room is the waiting rooms of all shows. It is safe for concurrent use. Its methods fail with
// domain.ErrShowNotFound or domain.ErrWaitingRoomUnavailable.
type Room struct {
	client  *rediskit.Client
	queue   *asynq.Client
	store   Store
	options Options
	log     *slog.Logger
	scripts scripts
	loads   singleflight.Group
}

// New returns a Room over client, which the caller closes.
func New(client *rediskit.Client, store Store, options Options, log *slog.Logger) *Room {
	options.SettingsTTL = cmp.Or(options.SettingsTTL, time.Minute)
	if options.Metrics == nil {
		options.Metrics = noMetrics{}
	}
	return &Room{
		client:  client,
		queue:   asynq.NewClientFromRedisClient(client),
		store:   store,
		options: options,
		log:     log,
		scripts: newScripts(options),
	}
}

// Enter admits the user if nobody waits and there is room, or else queues them. It is a sign of life. It fails with
// domain.ErrTooManyPlaces if the network of the request's client has as many users in the room as it may.
func (r *Room) Enter(ctx context.Context, showID, userID int64) (domain.RoomStatus, error) {
	keys, args := keys(showID), []any{userID, rand.Text()}
	for _, network := range r.networks(ctx) {
		keys = append(keys, networkKey(showID, network.Prefix))
		args = append(args, network.Times*r.options.PerNetwork)
	}
	reply, err := r.withSettings(ctx, showID, func(overrides *domain.RoomOverrides) (reply, error) {
		return r.once(ctx, r.scripts.enter, keys, showID, overrides, args...)
	})
	if err != nil {
		return domain.RoomStatus{}, err
	}
	if reply.code == codeCrowded {
		return domain.RoomStatus{}, domain.ErrTooManyPlaces
	}
	return reply.status(showID, userID, reply.rest), nil
}

// networks returns the networks that the client of a request is counted in.
func (r *Room) networks(ctx context.Context) []domain.Network {
	if r.options.PerNetwork == 0 {
		return nil
	}
	return domain.ClientNetworks(domain.RequestFrom(ctx).ClientAddr)
}

// Status returns the user's state. It is a sign of life.
func (r *Room) Status(ctx context.Context, showID, userID int64) (domain.RoomStatus, error) {
	statuses, err := r.statuses(ctx, showID, []int64{userID})
	if err != nil {
		return domain.RoomStatus{}, err
	}
	return statuses[0], nil
}

func (r *Room) statuses(ctx context.Context, showID int64, userIDs []int64) ([]domain.RoomStatus, error) {
	args := make([]any, len(userIDs))
	for i, id := range userIDs {
		args[i] = id
	}
	reply, err := r.run(ctx, r.scripts.status, showID, args...)
	if err != nil {
		return nil, err
	}
	list := make([]domain.RoomStatus, len(userIDs))
	for i, id := range userIDs {
		list[i] = reply.status(showID, id, reply.rest[statusSize*i:])
	}
	return list, nil
}

func (r *Room) Leave(ctx context.Context, showID, userID int64) error {
	_, err := r.run(ctx, r.scripts.leave, showID, userID)
	return err
}

const clockSkew = 5 * time.Second // between PostgreSQL and Redis

// End ends the user's admission to the show of a booking. One that began after booked, the creation of the
// booking, is another admission and stays.
func (r *Room) End(ctx context.Context, showID, userID int64, booked time.Time) error {
	_, err := r.run(ctx, r.scripts.end, showID, userID, booked.Add(clockSkew).UnixMilli())
	if errors.Is(err, domain.ErrShowNotFound) {
		return nil
	}
	return err
}

// Close ends the room of a deleted show on all instances. If it fails the room ends within SettingsTTL.
func (r *Room) Close(ctx context.Context, showID int64) error {
	_, err := r.run(ctx, r.scripts.close, showID)
	if errors.Is(err, domain.ErrShowNotFound) {
		return nil // closed before
	}
	return err
}

func (r *Room) View(ctx context.Context, showID int64) (domain.RoomView, error) {
	reply, err := r.run(ctx, r.scripts.view, showID)
	if err != nil {
		return domain.RoomView{}, err
	}
	return reply.view(showID), nil
}

// Configure changes the settings of one show, at once and on all instances. If it fails with
// domain.ErrWaitingRoomUnavailable, the change takes effect within SettingsTTL after Redis is back.
func (r *Room) Configure(ctx context.Context, showID int64, change domain.RoomChange) (domain.RoomView, error) {
	overrides, err := r.store.ChangeRoomOverrides(ctx, showID, change)
	if err != nil {
		return domain.RoomView{}, err
	}
	reply, err := r.once(ctx, r.scripts.view, keys(showID), showID, &overrides)
	if err != nil {
		return domain.RoomView{}, err
	}
	return reply.view(showID), nil
}

func (r *Room) run(ctx context.Context, script *redis.Script, showID int64, args ...any) (reply, error) {
	return r.withSettings(ctx, showID, func(overrides *domain.RoomOverrides) (reply, error) {
		return r.once(ctx, script, keys(showID), showID, overrides, args...)
	})
}

// withSettings calls run, and again with the settings of the show if Redis does not have them.
func (r *Room) withSettings(
	ctx context.Context, showID int64, run func(*domain.RoomOverrides) (reply, error),
) (reply, error) {
	result, err := run(nil)
	if err != nil || result.code != codeMissing {
		return result, err
	}
	overrides, err := r.load(ctx, showID)
	if err != nil {
		return reply{}, err
	}
	return run(&overrides)
}

func (r *Room) once(
	ctx context.Context, script *redis.Script, keys []string, showID int64, overrides *domain.RoomOverrides, args ...any,
) (reply, error) {
	result, err := r.eval(ctx, script, keys, showID, overrides, args...)
	switch {
	case errors.Is(err, domain.ErrShowNotFound):
		return reply{}, err
	case err != nil && ctx.Err() != nil:
		return reply{}, context.Cause(ctx)
	case err != nil:
		r.options.Metrics.RoomUnavailable()
		return reply{}, domain.ErrWaitingRoomUnavailable.WithCause(err)
	case result.arm:
		r.armBestEffort(ctx, showID, result.now)
	}
	return result, nil
}

// eval runs a script. Its errors are domain.ErrShowNotFound and those of Redis.
func (r *Room) eval(
	ctx context.Context, script *redis.Script, keys []string, showID int64, overrides *domain.RoomOverrides, args ...any,
) (reply, error) {
	now := int64(0)
	if r.options.Now != nil {
		now = r.options.Now().UnixMilli()
	}
	settings := ""
	if overrides != nil {
		s := overrides.Over(r.options.Defaults)
		settings = fmt.Sprintf("%s %d %d %d", s.Mode, s.MaxUsers, s.BatchSize, overrides.Version)
	}
	argv := append([]any{now, showID, settings}, args...)
	raw, err := script.Run(ctx, r.client, keys, argv...).Slice()
	if err != nil {
		return reply{}, err
	}
	result := parse(raw)
	if result.code == codeGone {
		return reply{}, domain.ErrShowNotFound
	}
	return result, nil
}

// load reads the overrides of a show. Concurrent calls share one query.
func (r *Room) load(ctx context.Context, showID int64) (domain.RoomOverrides, error) {
	shared := context.WithoutCancel(ctx) // the query must not end with the request that happens to be first
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

type noMetrics struct{}

func (noMetrics) RoomUnavailable() {}
func (noMetrics) RoomAdmitted(int) {}
