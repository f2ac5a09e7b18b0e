package config

import (
	"time"

	"github.com/robfig/cron/v3"
)

// CleanupInterval gives the longest time between two runs of CLEANUP_SCHEDULE in the day that
// follows its first run of the year 2000: schedules repeat.
func (b Booking) CleanupInterval() time.Duration {
	schedule, err := cron.ParseStandard(b.CleanupSchedule)
	if err != nil { // Load has refused it
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
