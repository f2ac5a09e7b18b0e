package config

import (
	"time"

	"github.com/robfig/cron/v3"
)

// CleanupInterval returns the longest time between two runs of CLEANUP_SCHEDULE on one day.
func (b Booking) CleanupInterval() time.Duration {
	schedule, err := cron.ParseStandard(b.CleanupSchedule)
	if err != nil { // refused by Load
		return 0
	}
	last := schedule.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	var longest time.Duration
	for end := last.Add(24 * time.Hour); !last.IsZero() && last.Before(end); {
		next := schedule.Next(last)
		longest, last = max(longest, next.Sub(last)), next
	}
	return longest
}
