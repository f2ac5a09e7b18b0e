package handler

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"evently/internal/domain"
)

// maxFilterText bounds the text of a filter, in characters: no name is longer.
const maxFilterText = 255

// parseQuery reads the query string of r. Where url.URL.Query drops what it cannot read, and
// so a filter with it, this is an error.
func parseQuery(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, domain.ErrInvalidParameter.WithDetails("query: is not well-formed").WithCause(err)
	}
	return query, nil
}

// queryText reads a parameter that is a piece of text. Empty is the same as left out.
func queryText(query url.Values, name string) (string, error) {
	text := query.Get(name)
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return "", domain.ErrInvalidParameter.WithDetails(name + ": must be UTF-8 text without control characters")
	case utf8.RuneCountInString(text) > maxFilterText:
		return "", domain.ErrInvalidParameter.WithDetails(fmt.Sprintf("%s: must have at most %d characters", name, maxFilterText))
	}
	return text, nil
}

// queryOneOf reads a parameter that is one of a few words. Empty is the same as left out.
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

// queryTimeRange reads `time_range` as parseTimeRange does. Empty is the same as left out.
func queryTimeRange(query url.Values) (from, until *time.Time, err error) {
	text := query.Get("time_range")
	if text == "" {
		return nil, nil, nil
	}
	from, until, why := parseTimeRange(text)
	if why != "" {
		return nil, nil, domain.ErrInvalidParameter.WithDetails("time_range: " + why)
	}
	return from, until, nil
}

// parseTimeRange reads START,END, both inclusive. Each is an RFC 3339 time, a plain date, which
// is that whole day in UTC, or empty, which is no bound (nil). why says what is wrong with the
// text; it is empty when nothing is.
func parseTimeRange(text string) (from, until *time.Time, why string) {
	start, end, found := strings.Cut(text, ",")
	if !found {
		return nil, nil, "must be START,END"
	}
	if start != "" {
		first, _, ok := parseMoment(start)
		if !ok {
			return nil, nil, "START must be a time such as 2030-01-31T19:30:00Z, or empty"
		}
		// PostgreSQL keeps microseconds: what starts within this one starts before START.
		if rounded := first.Truncate(time.Microsecond); rounded.Before(first) {
			first = rounded.Add(time.Microsecond)
		}
		from = &first
	}
	if end != "" {
		_, last, ok := parseMoment(end)
		if !ok {
			return nil, nil, "END must be a time such as 2030-01-31T19:30:00Z, or empty"
		}
		until = &last
	}
	if from != nil && until != nil && from.After(*until) {
		return nil, nil, "START must not be after END"
	}
	return from, until, ""
}

// parseMoment reads an RFC 3339 time, which is both first and last, or a plain date, of which it
// gives the first and the last microsecond in UTC. An offset of "+02:00" that was not escaped
// arrives with a space for its plus, and is understood.
func parseMoment(text string) (first, last time.Time, ok bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, day.AddDate(0, 0, 1).Add(-time.Microsecond), true
	}
	text = strings.Replace(text, " ", "+", 1)
	t, err := time.Parse(time.RFC3339, text)
	// time.Parse also takes "T7:00:00Z" and a comma for the decimal point, which RFC 3339 does not.
	if err != nil || text[len("2006-01-02T15")] != ':' || strings.Contains(text, ",") {
		return time.Time{}, time.Time{}, false
	}
	return t.UTC(), t.UTC(), true
}
