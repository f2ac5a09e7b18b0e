package handler

import (
	"encoding/base64"
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

// queryLimit reads `limit`, the number of rows that a list may have.
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

// encodeCursor makes the opaque form of a place in the list called kind: the key of the last
// row that was given, as whole numbers.
func encodeCursor(kind string, key ...int64) *string {
	var b strings.Builder
	b.WriteString(kind)
	for _, k := range key {
		b.WriteString(":" + strconv.FormatInt(k, 10))
	}
	cursor := base64.RawURLEncoding.EncodeToString([]byte(b.String()))
	return &cursor
}

// queryCursor reads `cursor` as encodeCursor wrote it for the same kind of list, with n numbers
// in its key. It is nil when there is none: the list starts at its head.
func queryCursor(query url.Values, kind string, n int) ([]int64, error) {
	if !query.Has("cursor") {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(query.Get("cursor"))
	if err != nil {
		return nil, domain.ErrInvalidCursor
	}
	parts := strings.Split(string(text), ":")
	if parts[0] != kind || len(parts) != n+1 {
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
