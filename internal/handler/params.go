package handler

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
)

func invalidParameter(name, expectation string) error {
	return domain.ErrInvalidParameter.WithDetails(name + ": " + expectation)
}

func pathID(r *http.Request, name string) (int64, error) {
	id, err := strconv.ParseInt(chi.URLParam(r, name), 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != chi.URLParam(r, name) {
		return 0, invalidParameter(name, "must be a whole number above 0")
	}
	return id, nil
}

// query reads the parameters of a query string. It keeps the first error.
type query struct {
	values url.Values
	err    error
}

func readQuery(r *http.Request) *query {
	values, err := url.ParseQuery(r.URL.RawQuery) // url.URL.Query would drop what is malformed
	if err != nil {
		return &query{err: domain.ErrInvalidParameter.WithDetails("query: is not well-formed").WithCause(err)}
	}
	return &query{values: values}
}

func (q *query) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

func (q *query) number(name string, byDefault, most int) int {
	if !q.values.Has(name) {
		return byDefault
	}
	n, err := strconv.Atoi(q.values.Get(name))
	if err != nil || n < 1 || n > most {
		q.fail(invalidParameter(name, fmt.Sprintf("must be a whole number from 1 to %d", most)))
	}
	return n
}

func (q *query) limit() int { return q.number("limit", 100, 500) }

const maxFilterText = 255

func (q *query) text(name string) string {
	text, err := domain.Line(q.values.Get(name))
	switch {
	case err != nil:
		q.fail(invalidParameter(name, err.Error()))
	case utf8.RuneCountInString(text) > maxFilterText:
		q.fail(invalidParameter(name, fmt.Sprintf("must have at most %d characters", maxFilterText)))
	}
	return text
}

func (q *query) oneOf(name string, words ...string) string {
	word := q.values.Get(name)
	if word != "" && !slices.Contains(words, word) {
		q.fail(invalidParameter(name, "must be one of: "+strings.Join(words, " ")))
	}
	return word
}

// listID identifies a list and its filters: a cursor is valid for one list only.
type listID string

func newList(kind string, filters ...string) listID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", kind, filters))
	return listID(hex.EncodeToString(sum[:8]))
}

func (l listID) cursor(key ...int64) *string {
	text := string(l)
	for _, k := range key {
		text += ":" + strconv.FormatInt(k, 10)
	}
	return new(base64.RawURLEncoding.EncodeToString([]byte(text)))
}

// cursor returns the key in `cursor`, or nil at the head of the list.
func (q *query) cursor(l listID, n int) []int64 {
	if !q.values.Has("cursor") {
		return nil
	}
	key, ok := l.parse(q.values.Get("cursor"), n)
	if !ok {
		q.fail(domain.ErrInvalidCursor)
	}
	return key
}

func (l listID) parse(cursor string, n int) (key []int64, ok bool) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, false
	}
	parts := strings.Split(string(text), ":")
	if parts[0] != string(l) || len(parts) != n+1 {
		return nil, false
	}
	key = make([]int64, n)
	for i, part := range parts[1:] {
		if key[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return nil, false
		}
	}
	return key, true
}

// afterID returns the id in `cursor`, or 0 at the head of the list.
func (q *query) afterID(l listID) int64 {
	key := q.cursor(l, 1)
	if key == nil {
		return 0
	}
	if key[0] < 1 {
		q.fail(domain.ErrInvalidCursor)
	}
	return key[0]
}
