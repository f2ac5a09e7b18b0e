package handler

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
)

// Bounds of lists.
const (
	defaultLimit = 100
	maxLimit     = 500
)

// pathID reads a path parameter that is an id: a whole number from 1 to 2^63-1.
func pathID(r *http.Request, name string) (int64, error) {
	id, err := strconv.ParseInt(chi.URLParam(r, name), 10, 64)
	if err != nil || id < 1 || strconv.FormatInt(id, 10) != chi.URLParam(r, name) {
		return 0, domain.ErrInvalidParameter.WithDetails(name + ": must be a whole number above 0")
	}
	return id, nil
}

// queryLimit reads `limit`, the number of rows of a page.
func queryLimit(query url.Values) (int, error) {
	if !query.Has("limit") {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, domain.ErrInvalidParameter.WithDetails(fmt.Sprintf("limit: must be a whole number from 1 to %d", maxLimit))
	}
	return limit, nil
}

// listID identifies a list and its filters: a cursor is valid for one list only.
type listID string

// newList returns the list of this kind with these filters.
func newList(kind string, filters ...string) listID {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q", kind, filters))
	return listID(hex.EncodeToString(sum[:8]))
}

// cursor returns the opaque position behind the row with this key.
func (l listID) cursor(key ...int64) *string {
	text := string(l)
	for _, k := range key {
		text += ":" + strconv.FormatInt(k, 10)
	}
	cursor := base64.RawURLEncoding.EncodeToString([]byte(text))
	return &cursor
}

// queryCursor reads `cursor`, a cursor of l with n numbers in its key. It returns nil if there is
// none: the list starts at its head.
func (l listID) queryCursor(query url.Values, n int) ([]int64, error) {
	if !query.Has("cursor") {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(query.Get("cursor"))
	if err != nil {
		return nil, domain.ErrInvalidCursor
	}
	parts := strings.Split(string(text), ":")
	if parts[0] != string(l) || len(parts) != n+1 {
		return nil, domain.ErrInvalidCursor
	}
	key := make([]int64, n)
	for i, part := range parts[1:] {
		if key[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return nil, domain.ErrInvalidCursor
		}
	}
	return key, nil
}

// queryID reads `cursor` of a list by id. It returns 0 for the head of the list.
func (l listID) queryID(query url.Values) (int64, error) {
	key, err := l.queryCursor(query, 1)
	switch {
	case err != nil || key == nil:
		return 0, err
	case key[0] < 1:
		return 0, domain.ErrInvalidCursor
	}
	return key[0], nil
}

// queryIDPage reads the page of a list by id: the id after which it starts and its length.
func queryIDPage(r *http.Request, l listID) (after int64, limit int, err error) {
	query, err := parseQuery(r)
	if err != nil {
		return 0, 0, err
	}
	if limit, err = queryLimit(query); err != nil {
		return 0, 0, err
	}
	after, err = l.queryID(query)
	return after, limit, err
}
