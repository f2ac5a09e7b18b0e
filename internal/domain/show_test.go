package domain_test

import (
	"errors"
	"testing"
	"time"

	"evently/internal/domain"
)

func TestShowCheckTimes(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	const hour, week = time.Hour, 7 * 24 * time.Hour
	show := func(start, length time.Duration) domain.Show {
		return domain.Show{StartTime: now.Add(start), EndTime: now.Add(start + length)}
	}
	var created domain.Show
	for name, c := range map[string]struct {
		old, show domain.Show
		want      *domain.Error
	}{
		"new":                          {created, show(hour, hour), nil},
		"new, now":                     {created, show(0, hour), nil},
		"new, past":                    {created, show(-1, hour), domain.ErrStartInThePast},
		"new, a week":                  {created, show(hour, week), nil},
		"new, longer than a week":      {created, show(hour, week+1), domain.ErrShowTooLong},
		"new, no length":               {created, show(hour, 0), domain.ErrEndNotAfterStart},
		"new, past and backwards":      {created, show(-hour, -hour), domain.ErrStartInThePast},
		"new, backwards":               {created, show(hour, -hour), domain.ErrEndNotAfterStart},
		"running, to the millisecond":  {show(-hour+123*time.Microsecond, 4*week), show(-hour, 4*week), nil},
		"new, centuries":               {created, domain.Show{StartTime: now, EndTime: now.AddDate(5000, 0, 0)}, domain.ErrShowTooLong},
		"running, as it is":            {show(-hour, 2*hour), show(-hour, 2*hour), nil},
		"running, in another zone":     {show(-hour, 2*hour), domain.Show{StartTime: now.Add(-hour).In(time.FixedZone("", 3600)), EndTime: now.Add(hour)}, nil},
		"running, longer":              {show(-hour, 2*hour), show(-hour, 3*hour), nil},
		"running, longer than a week":  {show(-hour, 2*hour), show(-hour, week+1), domain.ErrShowTooLong},
		"running, began earlier":       {show(-hour, 2*hour), show(-2*hour, 3*hour), domain.ErrStartInThePast},
		"running, put off":             {show(-hour, 2*hour), show(hour, hour), nil},
		"to come, moved into the past": {show(hour, hour), show(-hour, hour), domain.ErrStartInThePast},
		"a month, as it is":            {show(-hour, 4*week), show(-hour, 4*week), nil},
	} {
		var got *domain.Error // errors.Is compares the code alone
		if err := c.show.CheckTimes(c.old, now); errors.As(err, &got) != (err != nil) || got != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
