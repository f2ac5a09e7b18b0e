package middleware

import (
	"bytes"
	"io"
	"net/http"
)

const maxPeek = 64 << 10 // bytes, what the handler of a login accepts

// peekBody returns the body of r, or nil if it is too long or broken. The handler reads the same, errors included.
func peekBody(r *http.Request) []byte {
	if r.Body == nil {
		return nil
	}
	original := r.Body
	body, err := io.ReadAll(io.LimitReader(original, maxPeek+1))
	rest := io.Reader(original)
	if err != nil {
		rest = failing{err}
	}
	r.Body = putBack{Reader: io.MultiReader(bytes.NewReader(body), rest), Closer: original}
	if err != nil || len(body) > maxPeek {
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
