package handler

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"evently/internal/respcache"
	"evently/internal/respond"
)

// Static serves content that does not change while the process runs, loaded at the first request.
func Static(contentType string, load func() ([]byte, error)) respond.Handler {
	loadOnce := sync.OnceValues(func() (*respcache.Body, error) {
		content, err := load()
		if err != nil {
			return nil, err
		}
		return respcache.NewBody(content), nil
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := loadOnce()
		if err != nil {
			return err
		}
		writeRevalidated(w, r, contentType, body)
		return nil
	}
}

const jsonType = "application/json; charset=utf-8"

// writeRevalidated writes a body that clients must revalidate before each use, or 304 to a client that has it.
func writeRevalidated(w http.ResponseWriter, r *http.Request, contentType string, body *respcache.Body) {
	header := w.Header()
	header.Set("ETag", body.ETag())
	header.Set("Cache-Control", "no-cache")
	header.Add("Vary", "Accept-Encoding")
	if matchesTag(r.Header.Values("If-None-Match"), body.ETag()) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", contentType)
	gzip := body.Gzip()
	if gzip == nil || !acceptsGzip(r.Header.Values("Accept-Encoding")) {
		writePlain(w, body)
		return
	}
	header.Set("Content-Encoding", "gzip")
	header.Set("Content-Length", strconv.Itoa(len(gzip)))
	_, _ = w.Write(gzip) //nolint:gosec // encoded by this service; an error is a client that has gone
}

func writePlain(w http.ResponseWriter, body *respcache.Body) {
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	_, _ = body.WriteTo(w) // an error is a client that has gone
}

// matchesTag compares If-None-Match weakly with tag. Tags may contain commas, so they are read one by one.
func matchesTag(lines []string, tag string) bool {
	opaque := strings.TrimPrefix(tag, "W/")
	rest := strings.TrimSpace(strings.Join(lines, ","))
	if rest == "*" {
		return true
	}
	for {
		rest = strings.TrimPrefix(strings.TrimLeft(rest, ", \t"), "W/")
		if !strings.HasPrefix(rest, `"`) {
			return false
		}
		end := strings.IndexByte(rest[1:], '"')
		if end < 0 {
			return false
		}
		if rest[:end+2] == opaque {
			return true
		}
		rest = rest[end+2:]
	}
}

// acceptsGzip reports whether Accept-Encoding prefers gzip to the plain form (RFC 9110, 12.5.3).
func acceptsGzip(lines []string) bool {
	weights := map[string]float64{}
	for item := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		coding, params, _ := strings.Cut(item, ";")
		weights[strings.ToLower(strings.TrimSpace(coding))] = quality(params)
	}
	gzip, named := weights["gzip"]
	if !named {
		gzip, named = weights["x-gzip"]
	}
	if !named {
		gzip = weights["*"]
	}
	return gzip > 0 && gzip >= weights["identity"]
}

// quality returns the weight of a coding: 1 by default, 0 if it is malformed.
func quality(params string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(params), "=")
	if !found && name == "" {
		return 1
	}
	weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err == nil && strings.EqualFold(strings.TrimSpace(name), "q") && weight >= 0 && weight <= 1 {
		return weight
	}
	return 0
}
