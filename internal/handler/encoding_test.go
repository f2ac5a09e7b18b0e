package handler

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestAcceptsGzip_Weights(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"x-gzip"}, true},
		{[]string{"deflate, gzip;q=1.0, *;q=0.5"}, true},
		{[]string{"deflate", "gzip"}, true},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip; q=0.000"}, false},
		{[]string{"gzip;Q=0.1"}, true},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"gzip;q=0, *"}, false},
		{[]string{"identity"}, false},
		{[]string{"identity;q=0.5, gzip;q=1"}, true},
		{[]string{"identity, gzip;q=0.5"}, false},
		{[]string{"identity;q=0, gzip;q=0.1"}, true},
		{[]string{"gzip;q=nonsense"}, false},
		{[]string{"gzip;q=NaN"}, false},
		{[]string{"gzip;q=2"}, false},
		{[]string{"br, zstd"}, false},
		{[]string{"gzipped"}, false},
	} {
		if got := acceptsGzip(tt.lines); got != tt.want {
			t.Errorf("acceptsGzip(%q) = %v", tt.lines, got)
		}
	}
}

func TestMatchesTag_WeakComparison(t *testing.T) {
	t.Parallel()
	const tag = `W/"abc"`
	for _, tt := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{`W/"abc"`}, true},
		{[]string{`"abc"`}, true},
		{[]string{"*"}, true},
		{[]string{`"x", W/"abc"`}, true},
		{[]string{`"x"`, `"abc"`}, true},
		{[]string{`"x,\"`, `W/"abc"`}, true},
		{[]string{`"abcd"`}, false},
		{[]string{"abc"}, false},
		{[]string{`"abc`}, false},
		{[]string{`w/"abc"`}, false},
		{[]string{`nonsense, "abc"`}, false},
	} {
		if got := matchesTag(tt.lines, tag); got != tt.want {
			t.Errorf("matchesTag(%q) = %v", tt.lines, got)
		}
	}
}

// FuzzRevalidation parses any If-None-Match and Accept-Encoding.
func FuzzRevalidation(f *testing.F) {
	for _, seed := range [][2]string{{`W/"abc"`, "gzip"}, {`"x", *`, "gzip;q=0, *"}, {"*", "identity;q=0.5"}, {`"`, ";;=,"}, {`W/"a,"b"`, "gzip;q=1e-9"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, tags, codings string) {
		const tag = `W/"Zm9vYmFy"`
		if matchesTag([]string{tags}, tag) && strings.TrimSpace(tags) != "*" && !strings.Contains(tags, tag[2:]) {
			t.Errorf("%q names %s", tags, tag)
		}
		// What follows a tag that matches does not matter.
		if !matchesTag([]string{tag, tags}, tag) {
			t.Errorf("%s, %q does not name %s", tag, tags, tag)
		}
		if acceptsGzip([]string{codings}) && !strings.Contains(strings.ToLower(codings), "gzip") && !strings.Contains(codings, "*") {
			t.Errorf("%q accepts gzip", codings)
		}
	})
}

func FuzzTimeRange(f *testing.F) {
	for _, seed := range []string{"", ",", "2030-01-01,", ",2030-01-31T19:30:00Z", "2030-01-01T00:00:00.123456789+02:00,2031-01-01",
		"9999-12-31T23:59:59.9999999Z,", "0000-01-01T00:00:00+23:59,", "2030-01-01T00:00:00 02:00,", "2030-02-30,", "a,b,c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		from, until, err := parseTimeRange(text)
		if err != nil {
			if from != nil || until != nil {
				t.Errorf("%q: bounds with an error: %v", text, err)
			}
			return
		}
		if from != nil && until != nil && from.After(*until) {
			t.Errorf("%q: %v is after %v", text, from, until)
		}
		for _, bound := range []*time.Time{from, until} {
			// A superset of what PostgreSQL can represent.
			if bound != nil && (bound.Year() < -1 || bound.Year() > 10_000) {
				t.Errorf("%q: %v", text, bound)
			}
		}
		// Formatting and parsing again returns the same.
		again := ","
		if from != nil {
			again = from.Format(time.RFC3339Nano) + again
		}
		if until != nil {
			again += until.Format(time.RFC3339Nano)
		}
		outside := func(t *time.Time) bool { return t != nil && (t.Year() < 0 || t.Year() > 9999) }
		if outside(from) || outside(until) {
			return // the offset moved it to a year that RFC 3339 cannot represent
		}
		from2, until2, err := parseTimeRange(again)
		if err != nil || !reflect.DeepEqual(from, from2) || !reflect.DeepEqual(until, until2) {
			t.Errorf("%q reads as %q, which reads as %v to %v (%v)", text, again, from2, until2, err)
		}
	})
}

func FuzzQueryCursor(f *testing.F) {
	shows, bookings := newList("shows"), newList("bookings")
	f.Add("", int64(1), int64(1))
	f.Add("c2hvd3M6MTox", int64(-1), int64(0))
	f.Add(*shows.cursor(1, 2), int64(1)<<62, int64(-1)<<63)
	f.Fuzz(func(t *testing.T, text string, a, b int64) {
		read := func(text string) *query { return &query{values: url.Values{"cursor": {text}}} }
		q := read(text)
		if key := q.cursor(shows, 2); q.err == nil && len(key) != 2 {
			t.Errorf("%q: %v", text, key)
		}
		q = read(text)
		if after := q.afterShow(shows); q.err == nil && (after == nil || after.ShowID < 1) {
			t.Errorf("%q: %v", text, after)
		}
		q = read(text)
		if after := q.afterID(bookings); q.err == nil && after < 1 {
			t.Errorf("%q: %v", text, after)
		}
		q = read(*shows.cursor(a, b))
		key := q.cursor(shows, 2)
		if q.err != nil || key[0] != a || key[1] != b {
			t.Errorf("%d, %d came back as %v (%v)", a, b, key, q.err)
		}
	})
}
