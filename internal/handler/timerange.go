package handler

import (
	"errors"
	"strings"
	"time"
)

func (q *query) timeRange() (from, until *time.Time) {
	text := q.values.Get("time_range")
	if text == "" {
		return nil, nil
	}
	from, until, err := parseTimeRange(text)
	if err != nil {
		q.fail(invalidParameter("time_range", err.Error()))
	}
	return from, until
}

// parseTimeRange reads START,END, both inclusive: RFC 3339 times, dates, which are whole days in UTC, or empty.
func parseTimeRange(text string) (from, until *time.Time, err error) {
	start, end, found := strings.Cut(text, ",")
	if !found {
		return nil, nil, errors.New("must be START,END")
	}
	if start != "" {
		first, _, ok := parseTime(start)
		if !ok {
			return nil, nil, errors.New("START must be a time such as 2030-01-31T19:30:00Z, or empty")
		}
		// PostgreSQL stores microseconds: a show in the microsecond that START is in began before it.
		if rounded := first.Truncate(time.Microsecond); rounded.Before(first) {
			first = rounded.Add(time.Microsecond)
		}
		from = &first
	}
	if end != "" {
		_, last, ok := parseTime(end)
		if !ok {
			return nil, nil, errors.New("END must be a time such as 2030-01-31T19:30:00Z, or empty")
		}
		until = &last
	}
	if from != nil && until != nil && from.After(*until) {
		return nil, nil, errors.New("START must not be after END")
	}
	return from, until, nil
}

// parseTime reads a time, which is both first and last, or the first and the last microsecond of a date.
func parseTime(text string) (first, last time.Time, ok bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, day.AddDate(0, 0, 1).Add(-time.Microsecond), true
	}
	text = strings.Replace(text, " ", "+", 1) // a plus that was not escaped arrives as a space
	t, err := time.Parse(time.RFC3339, text)
	// time.Parse also accepts "T7:00:00Z" and a decimal comma, which RFC 3339 does not.
	if err != nil || text[len("2006-01-02T15")] != ':' || strings.Contains(text, ",") {
		return time.Time{}, time.Time{}, false
	}
	return t.UTC(), t.UTC(), true
}
