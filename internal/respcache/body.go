package respcache

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
)

const minGzip = 1024 // bytes; a shorter body fits into one packet

// Body is an encoded response body. It is immutable.
type Body struct {
	etag   string
	length int    // of the plain form
	plain  []byte // nil if only the gzip form is kept
	gzip   []byte // nil if the body is shorter than minGzip
}

// NewBody returns the Body with the given plain form, which it keeps.
func NewBody(plain []byte) *Body {
	b := &Body{etag: etag(plain), length: len(plain), plain: plain}
	if len(plain) < minGzip {
		return b
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(plain) // a bytes.Buffer accepts every write
	_ = z.Close()
	b.gzip = packed.Bytes()
	return b
}

// NewGzipBody returns a Body of which only the gzip form is kept, with the length of its plain form.
func NewGzipBody(gzip []byte, length int) *Body {
	return &Body{etag: etag(gzip), length: length, gzip: gzip}
}

// etag is weak: it identifies the content in any content coding (RFC 9110, 8.8.1).
func etag(content []byte) string {
	sum := sha256.Sum256(content)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// ETag returns the entity tag. Equal content has equal tags on all instances.
func (b *Body) ETag() string { return b.etag }

// Len returns the length of the plain form in bytes.
func (b *Body) Len() int { return b.length }

// Gzip returns the gzip form, or nil if the body is too short to be worth compressing.
func (b *Body) Gzip() []byte { return b.gzip }

// WriteTo writes the plain form.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	if b.plain != nil {
		n, err := w.Write(b.plain)
		return int64(n), err
	}
	z, err := gzip.NewReader(bytes.NewReader(b.gzip))
	if err != nil {
		return 0, err
	}
	return io.Copy(w, z) //nolint:gosec // it decompresses what this process has compressed
}

func (b *Body) size() int { return len(b.plain) + len(b.gzip) + bodyOverhead }

const bodyOverhead = 512 // bytes, roughly, of a cached Body besides its content
