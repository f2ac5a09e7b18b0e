package waitingroom

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"evently/internal/domain"
)

// maxTotals bounds how many rooms Totals queries.
const maxTotals = 200

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

// QueueStats is the state of the asynq queue of ticks.
type QueueStats struct {
	Name                                        string
	Pending, Active, Scheduled, Retry, Archived int
	Processed, Failed                           int           // since the queue was created
	Latency                                     time.Duration // age of the oldest task that is due
}

// Queue returns the state of the queue of ticks.
func (w *Worker) Queue() (QueueStats, error) {
	// asynq has no error for a queue that does not exist yet.
	queues, err := w.inspector.Queues()
	if err != nil {
		return QueueStats{}, err
	}
	if !slices.Contains(queues, queueName) {
		return QueueStats{Name: queueName}, nil
	}
	info, err := w.inspector.GetQueueInfo(queueName)
	if err != nil {
		return QueueStats{}, err
	}
	return QueueStats{
		Name: queueName, Pending: info.Pending, Active: info.Active, Scheduled: info.Scheduled, Retry: info.Retry,
		Archived: info.Archived, Processed: info.ProcessedTotal, Failed: info.FailedTotal, Latency: info.Latency,
	}, nil
}
