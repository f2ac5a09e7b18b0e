package config_test

import (
	"testing"
	"time"

	"evently/internal/config"
)

func TestCleanupInterval(t *testing.T) {
	t.Parallel()
	for schedule, want := range map[string]time.Duration{
		"*/2 * * * *":    2 * time.Minute,
		"@every 30s":     30 * time.Second,
		"0,10 * * * *":   50 * time.Minute,
		"0 3 * * *":      24 * time.Hour,
		"30 2 30 2 *":    0, // never
		"not a schedule": 0,
	} {
		if got := (config.Booking{CleanupSchedule: schedule}).CleanupInterval(); got != want {
			t.Errorf("%s: %s, want %s", schedule, got, want)
		}
	}
}
