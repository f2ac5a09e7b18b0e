package waitingroom

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"evently/internal/domain"
	"evently/internal/rediskit"
)

const (
	queueName = "waitingroom"
	taskType  = "waitingroom:admit"

	tickBudget  = 2000             // entries that one script touches: a few milliseconds of Redis
	tickTimeout = 30 * time.Second // of one task: many scripts
	roomsTTL    = 24 * time.Hour   // of roomsKey after the last tick
	maxTotals   = 200              // rooms that Totals reads
)

// Tick is the outcome of one tick.
type Tick struct {
	Admitted int
	Waiting  int       // users who still hold a place
	At       time.Time // by the clock of Redis
}

// Tick admits what is left of the batch of this interval, as far as the cap allows. It may be called at any
// time from any instance.
func (r *Room) Tick(ctx context.Context, showID int64) (Tick, error) {
	var total Tick
	for {
		result, err := r.withSettings(ctx, showID, func(overrides *domain.RoomOverrides) (reply, error) {
			return r.eval(ctx, r.scripts.tick, keys(showID), showID, overrides, tickBudget)
		})
		if errors.Is(err, domain.ErrShowNotFound) {
			return Tick{}, nil
		}
		if err != nil {
			return total, err
		}
		admitted := int(result.rest[0])
		r.options.Metrics.RoomAdmitted(admitted)
		total.Admitted += admitted
		total.Waiting, total.At = int(result.holders), result.now
		if more := result.rest[3] == 1; !more {
			return total, nil
		}
	}
}

// Watchdog schedules the ticks that were lost, and returns how many.
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
		armed, err := r.check(ctx, showID)
		if armed {
			lost++
		}
		faults = append(faults, err)
	}
	return lost, errors.Join(append(faults, rooms.Err())...)
}

// check schedules the tick of one room if it is overdue. It removes a room in which nobody waits.
func (r *Room) check(ctx context.Context, showID int64) (armed bool, err error) {
	result, err := r.run(ctx, r.scripts.status, showID)
	if err == nil && result.holders > 0 {
		return result.arm, nil
	}
	if err != nil && !errors.Is(err, domain.ErrShowNotFound) {
		return false, err
	}
	if err := r.client.SRem(ctx, roomsKey, showID).Err(); err != nil {
		return false, err
	}
	// A user who entered in between has listed the room before it was removed.
	if result, err := r.run(ctx, r.scripts.status, showID); err == nil && result.holders > 0 {
		return result.arm, r.list(ctx, showID)
	}
	return false, nil
}

// nextTick returns the beginning of the interval after now. Intervals are counted from 1970.
func (r *Room) nextTick(now time.Time) time.Time {
	interval := r.options.AdmitInterval.Milliseconds()
	return time.UnixMilli((now.UnixMilli()/interval + 1) * interval)
}

// arm schedules the tick of the interval that follows now, by the clock of Redis, once.
func (r *Room) arm(ctx context.Context, showID int64, now time.Time) error {
	due := r.nextTick(now)
	payload := strconv.FormatInt(showID, 10) + ":" + strconv.FormatInt(due.UnixMilli(), 10)
	_, err := r.queue.EnqueueContext(ctx, asynq.NewTaskWithHeaders(taskType, []byte(payload), traceHeaders(ctx)),
		asynq.Queue(queueName),
		asynq.TaskID(fmt.Sprintf("admit:%d:%d", showID, due.UnixMilli())),
		asynq.ProcessIn(due.Sub(now)),
		asynq.MaxRetry(0), // the next tick does what this one did not
		asynq.Timeout(tickTimeout))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("schedule a tick: %w", err)
	}
	return r.list(ctx, showID)
}

func (r *Room) list(ctx context.Context, showID int64) error {
	_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.SAdd(ctx, roomsKey, showID)
		pipe.Expire(ctx, roomsKey, roomsTTL)
		return nil
	})
	return err
}

// armBestEffort is arm for a request, which does not fail: a later caller schedules a missing tick.
func (r *Room) armBestEffort(ctx context.Context, showID int64, now time.Time) {
	ctx = context.WithoutCancel(ctx)
	if err := r.arm(ctx, showID, now); err != nil {
		r.log.Log(ctx, levelOf(err), "waiting room tick not scheduled", "show_id", showID, "error", err)
	}
}

// levelOf returns the level at which an error is logged: an outage of Redis is logged by its client.
func levelOf(err error) slog.Level {
	if errors.Is(err, rediskit.ErrUnavailable) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// Totals returns how many users wait and how many are admitted, over the rooms that need ticks.
func (r *Room) Totals(ctx context.Context) (waiting, admitted int64, err error) {
	rooms := r.client.SScan(ctx, roomsKey, 0, "", maxTotals).Iterator()
	for n := 0; n < maxTotals && rooms.Next(ctx); n++ {
		showID, err := strconv.ParseInt(rooms.Val(), 10, 64)
		if err != nil {
			continue // the watchdog removes it
		}
		room, err := r.View(ctx, showID)
		if err != nil && !errors.Is(err, domain.ErrShowNotFound) {
			return 0, 0, err
		}
		waiting += room.Waiting
		admitted += room.Admitted
	}
	return waiting, admitted, rooms.Err()
}
