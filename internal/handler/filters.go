package handler

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"evently/internal/domain"
)

// maxFilterText is the most characters of a filter; no name is longer.
const maxFilterText = 255

// parseQuery reads the query string of r. A malformed one is an error: url.URL.Query would drop the
// filter.
func parseQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, domain.ErrInvalidParameter.WithDetails("query: is not well-formed").WithCause(err)
	}
	return query, nil
}

// queryText reads a text parameter by domain.Line. Empty is left out.
func queryText(query url.Values, name string) (string, error) {
	text, err := domain.Line(query.Get(name))
	switch {
	case err != nil:
		return "", domain.ErrInvalidParameter.WithDetails(name + ": " + err.Error())
	case utf8.RuneCountInString(text) > maxFilterText:
		return "", domain.ErrInvalidParameter.WithDetails(fmt.Sprintf("%s: must have at most %d characters", name, maxFilterText))
	}
	return text, nil
}

// queryOneOf reads a parameter that is one of words. Empty is left out.
func queryOneOf(query url.Values, name string, words ...string) (string, error) {
	word := query.Get(name)
	if word == "" {
		return "", nil
	}
	for _, w := range words {
		if w == word {
			return word, nil
		}
	}
	return "", domain.ErrInvalidParameter.WithDetails(name + ": must be one of: " + strings.Join(words, " "))
}

// queryTimeRange reads `time_range` by parseTimeRange. Empty is left out.
func queryTimeRange(query url.Values) (from, until *time.Time, err error) {
	text := query.Get("time_range")
	if text == "" {
		return nil, nil, nil
	}
	from, until, err = parseTimeRange(text)
	if err != nil {
		return nil, nil, domain.ErrInvalidParameter.WithDetails("time_range: " + err.Error())
	}
	return from, until, nil
}

// Errors of parseTimeRange.
var (
	errTimeRange      = errors.New("must be START,END")
	errTimeRangeStart = errors.New("START must be a time such as 2030-01-31T19:30:00Z, or empty")
	errTimeRangeEnd   = errors.New("END must be a time such as 2030-01-31T19:30:00Z, or empty")
	errTimeRangeOrder = errors.New("START must not be after END")
)

// parseTimeRange reads START,END, both inclusive. Each is an RFC 3339 time, a date, which is the
// whole day in UTC, or empty, which is no bound (nil).
func parseTimeRange(text string) (from, until *time.Time, err error) {
	start, end, found := strings.Cut(text, ",")
	if !found {
		return nil, nil, errTimeRange
	}
	if start != "" {
		first, _, ok := parseTime(start)
		if !ok {
			return nil, nil, errTimeRangeStart
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
			return nil, nil, errTimeRangeEnd
		}
		until = &last
	}
	if from != nil && until != nil && from.After(*until) {
		return nil, nil, errTimeRangeOrder
	}
	return from, until, nil
}

// parseTime reads an RFC 3339 time, which is both first and last, or a date, of which it returns the
// first and the last microsecond in UTC. The plus of an offset that was not escaped arrives as a
// space, which is accepted.
func parseTime(text string) (first, last time.Time, ok bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, day.AddDate(0, 0, 1).Add(-time.Microsecond), true
	}
	text = strings.Replace(text, " ", "+", 1)
	t, err := time.Parse(time.RFC3339, text)
	// time.Parse also accepts "T7:00:00Z" and a decimal comma, which RFC 3339 does not.
	if err != nil || text[len("2006-01-02T15")] != ':' || strings.Contains(text, ",") {
		return time.Time{}, time.Time{}, false
	}
	return t.UTC(), t.UTC(), true
}
