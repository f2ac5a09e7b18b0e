package waitingroom

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
)

const (
	// queueName and taskType are the names that asynq's own tools show.
	queueName = "waitingroom"
	taskType  = "waitingroom:admit"

	// tickBudget bounds how many entries one run of the tick script touches, and so for how long
	// it keeps Redis from everybody else: a few milliseconds.
	tickBudget = 2000
	// tickTimeout bounds one task: many runs of the script, one after the other.
	tickTimeout = 30 * time.Second
	// roomsTTL is how long the list of rooms outlives the last tick of any.
	roomsTTL = 24 * time.Hour
)

// Tick is the outcome of one tick.
type Tick struct {
	Admitted int
	Waiting  int       // who still hold a place
	At       time.Time // by the clock of Redis
}

// Tick admits the next batch of a show, as far as the cap allows and this interval's batch is not
// used up. It may be called at any time from any instance. A show that does not exist any more
// has nobody who waits.
func (r *Room) Tick(ctx context.Context, showID int64) (Tick, error) {
	var total Tick
	var overrides *domain.RoomOverrides
	for {
		raw, err := r.eval(ctx, r.scripts.tick, showID, nil, overrides, tickBudget)
		if err != nil {
			return total, err
		}
		a := parse(raw)
		if a.code == codeMissing {
			loaded, err := r.load(ctx, showID)
			if errors.Is(err, domain.ErrShowNotFound) {
				return total, nil
			}
			if err != nil {
				return total, err
			}
			overrides = &loaded
			continue
		}
		admitted := int(a.rest[0])
		r.options.Metrics.RoomAdmitted(admitted)
		total.Admitted += admitted
		total.Waiting = int(a.holders)
		total.At = a.now
		if more := a.rest[3] == 1; !more {
			return total, nil
		}
	}
}

// Watchdog looks at every room that needs ticks, schedules those that were lost, and gives how many
// that were. It is for the cron, on any number of instances: it changes nothing where all is well.
func (r *Room) Watchdog(ctx context.Context) (int, error) {
	var faults []error
	lost := 0
	rooms := r.client.SScan(ctx, roomsKey, 0, "", 100).Iterator()
	for rooms.Next(ctx) {
		showID, err := strconv.ParseInt(rooms.Val(), 10, 64)
		if err != nil {
			faults = append(faults, r.client.SRem(ctx, roomsKey, rooms.Val()).Err())
			continue
		}
		armed, err := r.watch(ctx, showID)
		if armed {
			lost++
		}
		faults = append(faults, err)
	}
	return lost, errors.Join(append(faults, rooms.Err())...)
}

// watch asks one room, which schedules a tick that is overdue, and tells whether it was. A room in
// which nobody waits is taken off the list.
func (r *Room) watch(ctx context.Context, showID int64) (armed bool, err error) {
	a, err := r.ask(ctx, r.scripts.status, showID)
	if err == nil && a.holders > 0 {
		return a.arm, nil
	}
	if err != nil && !errors.Is(err, domain.ErrShowNotFound) {
		return false, err
	}
	if err := r.client.SRem(ctx, roomsKey, showID).Err(); err != nil {
		return false, err
	}
	// Somebody may have come in between, and have put the room on the list before it was taken off.
	if a, err := r.ask(ctx, r.scripts.status, showID); err == nil && a.holders > 0 {
		return a.arm, r.list(ctx, showID)
	}
	return false, nil
}

// nextTick is when the interval after now begins. All instances count intervals from 1970.
func (r *Room) nextTick(now time.Time) time.Time {
	interval := r.options.AdmitInterval.Milliseconds()
	return time.UnixMilli((now.UnixMilli()/interval + 1) * interval)
}

// arm schedules the tick of the interval that follows now, which is by Redis' clock. The same
// tick is scheduled once, whoever asks.
func (r *Room) arm(ctx context.Context, showID int64, now time.Time) error {
	due := r.nextTick(now)
	payload := strconv.FormatInt(showID, 10) + ":" + strconv.FormatInt(due.UnixMilli(), 10)
	_, err := r.queue.EnqueueContext(ctx, asynq.NewTaskWithHeaders(taskType, []byte(payload), traceHeaders(ctx)),
		asynq.Queue(queueName),
		asynq.TaskID(fmt.Sprintf("admit:%d:%d", showID, due.UnixMilli())),
		asynq.ProcessIn(due.Sub(now)),
		// The next tick does what this one did not; and a lost one is found out about.
		asynq.MaxRetry(0),
		asynq.Timeout(tickTimeout))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("schedule a tick: %w", err)
	}
	return r.list(ctx, showID)
}

// list tells the watchdog about a room.
func (r *Room) list(ctx context.Context, showID int64) error {
	_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.SAdd(ctx, roomsKey, showID)
		pipe.Expire(ctx, roomsKey, roomsTTL)
		return nil
	})
	return err
}

// armBestEffort is arm for a request, whose answer does not depend on it: what fails here is found
// missing, and scheduled, by whoever asks next.
func (r *Room) armBestEffort(ctx context.Context, showID int64, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.options.Timeout)
	defer cancel()
	if err := r.arm(ctx, showID, now); err != nil {
		r.log.WarnContext(ctx, "a tick of a waiting room was not scheduled", "show_id", showID, "error", err)
	}
}
