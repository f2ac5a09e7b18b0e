package middleware

import (
	"bytes"
	"io"
	"net/http"
)

// maxPeek is as much of a body as is looked at ahead of its handler, in bytes: what the handler of a
// login accepts.
const maxPeek = 64 << 10

// peekBody gives the body of r and puts it back, so that the handler reads what it would have
// read, errors included. There is none to give when it is too long or could not be read whole.
func peekBody(r *http.Request) ([]byte, bool) {
	if r.Body == nil {
		return nil, false
	}
	original := r.Body
	body, err := io.ReadAll(io.LimitReader(original, maxPeek+1))
	r.Body = putBack{Reader: io.MultiReader(bytes.NewReader(body), rest(original, err)), Closer: original}
	return body, err == nil && len(body) <= maxPeek
}

// putBack is a body of which a part was read already.
type putBack struct {
	io.Reader
	io.Closer
}

// rest is what comes after the part that was read: the remaining body, or the error that ended it.
func rest(body io.Reader, err error) io.Reader {
	if err != nil {
		return failing{err}
	}
	return body
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
