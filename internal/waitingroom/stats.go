package waitingroom

import (
	"context"
	"slices"
	"strconv"
	"time"
)

// maxTotals bounds how many rooms Totals asks.
const maxTotals = 200

// Totals gives how many users wait, and how many are admitted, over the rooms that are at work: those
// where somebody waits, or did a moment ago.
func (r *Room) Totals(ctx context.Context) (waiting, admitted int64, err error) {
	rooms := r.client.SScan(ctx, roomsKey, 0, "", maxTotals).Iterator()
	for n := 0; n < maxTotals && rooms.Next(ctx); n++ {
		showID, err := strconv.ParseInt(rooms.Val(), 10, 64)
		if err != nil {
			continue // the watchdog removes it
		}
		answer, err := r.ask(ctx, r.scripts.view, showID)
		if err != nil {
			return 0, 0, err
		}
		room := view(showID, answer)
		waiting += room.Waiting
		admitted += room.Admitted
	}
	return waiting, admitted, rooms.Err()
}

// QueueStats is the state of the queue of ticks.
type QueueStats struct {
	Name                                        string
	Pending, Active, Scheduled, Retry, Archived int
	Processed, Failed                           int           // since the queue came to life
	Latency                                     time.Duration // age of the oldest task that is due
}

// Queue reads the state of the queue of ticks. A queue that no task was ever put into is empty.
func (w *Worker) Queue() (QueueStats, error) {
	// asynq has no error that tells a queue that is not there yet.
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
