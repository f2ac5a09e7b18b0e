package handler

import (
	"net/http"
	"strconv"
	"strings"

	"evently/internal/cache"
	"evently/internal/respond"
)

// minCompressed is the least body, in bytes, that is compressed: a smaller one fits into one packet
// as it is.
const minCompressed = 1024

// Header values that all answers share: full slices, which Header.Add copies and does not write to.
var (
	noCache    = []string{"no-cache"} // keep it, but ask before each use
	gzipped    = []string{"gzip"}
	byEncoding = []string{"Accept-Encoding"}
)

// writeRevalidated answers 200 with a JSON body, or 304 to a client that has this very body already.
func writeRevalidated(w http.ResponseWriter, r *http.Request, body *cache.Body) {
	header := w.Header()
	header["Etag"] = body.TagHeader()
	header["Cache-Control"] = noCache
	if vary := header["Vary"]; len(vary) > 0 { // CORS has said something before
		header["Vary"] = append(vary, byEncoding...)
	} else {
		header["Vary"] = byEncoding
	}
	if lines := r.Header.Values("If-None-Match"); len(lines) > 0 && matchesTag(lines, body.Tag()) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	parts, length := body.Plain()
	if length >= minCompressed && AcceptsGzip(r.Header.Values("Accept-Encoding")) {
		header["Content-Encoding"] = gzipped
		respond.Raw(w, http.StatusOK, body.Gzip())
		return
	}
	respond.Parts(w, http.StatusOK, length, parts)
}

// matchesTag reports whether the lines of If-None-Match name tag, by weak comparison, or are *.
// A tag may hold commas, so the list is read tag by tag; what follows a fault is not read.
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

// AcceptsGzip reports whether the lines of Accept-Encoding allow gzip and do not prefer the
// plain form (RFC 9110, 12.5.3). Not named at all, the plain form is the last choice.
func AcceptsGzip(lines []string) bool {
	if len(lines) == 1 && !strings.Contains(lines[0], ";") {
		if first, _, _ := strings.Cut(lines[0], ","); first == "gzip" {
			return true // without weights, what nearly every client sends
		}
	}
	const unnamed = -1
	gzipped, plain, others := float64(unnamed), float64(unnamed), float64(unnamed)
	for _, item := range strings.Split(strings.Join(lines, ","), ",") {
		coding, params, _ := strings.Cut(item, ";")
		switch weight := quality(params); strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			gzipped = max(gzipped, weight)
		case "identity":
			plain = weight
		case "*":
			others = weight
		}
	}
	if gzipped == unnamed {
		gzipped = others
	}
	return gzipped > 0 && gzipped >= plain
}

// quality reads the weight in the parameters of a coding. None is 1; one that cannot be read is
// 0: a client that we do not understand gets what every client can read.
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
