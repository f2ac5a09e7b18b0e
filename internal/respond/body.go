package respond

import (
	"errors"
	"io"
	"slices"
)

// maxExpected is the longest body, in bytes, for which memory is taken on its word.
const maxExpected = 4 << 10

// ReadBody is io.ReadAll for the body of a request, whose Content-Length is length and -1 when
// there is none. Most bodies are so short that room for what io.ReadAll expects is ten times theirs.
func ReadBody(body io.Reader, length int64) ([]byte, error) {
	if length < 0 || length > maxExpected {
		return io.ReadAll(body)
	}
	read := make([]byte, length+1) // one more, to see the end
	n, err := io.ReadFull(body, read)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && int64(n) == length:
		return read[:n], nil
	case err != nil:
		return read[:n], err
	}
	rest, err := io.ReadAll(body) // longer than it said
	return slices.Concat(read, rest), err
}
