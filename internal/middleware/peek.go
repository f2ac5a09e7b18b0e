package middleware

import (
	"bytes"
	"io"
	"net/http"
)

// peekBody returns the body of r, or nil if it is over limit bytes or broken. The handler reads the same, errors included.
func peekBody(r *http.Request, limit int64) []byte {
	if r.Body == nil {
		return nil
	}
	original := r.Body
	body, err := io.ReadAll(io.LimitReader(original, limit+1))
	rest := io.Reader(original)
	if err != nil {
		rest = failing{err}
	}
	r.Body = putBack{Reader: io.MultiReader(bytes.NewReader(body), rest), Closer: original}
	if err != nil || int64(len(body)) > limit {
		return nil
	}
	return body
}

type putBack struct {
	io.Reader
	io.Closer
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
