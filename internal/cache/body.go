// Package cache keeps answers in memory as they are sent: seat maps and lists of shows are encoded
// once for each change of what they tell, and not once for each request.
//
// Three promises hold for each of them. What this instance changes shows at once; what another one
// changes shows within the age that was configured; and nobody needs Redis for that: PostgreSQL is
// asked, at most once per age and answer, whoever and however many are asking.
package cache

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"sync"
)

// Body is an answer: its plain form, its gzip form and the tag of its content. It does not change,
// and nobody may change the bytes that it gives.
type Body struct {
	tag    []string // the one value of a header
	parts  [][]byte // of the plain form
	length int

	once   sync.Once
	packed []byte
}

// NewBody gives the Body of a plain form.
func NewBody(plain []byte) *Body {
	sum := sha256.Sum256(plain)
	return &Body{tag: []string{tagOf(sum)}, parts: [][]byte{plain}, length: len(plain)}
}

// tagOf gives a weak entity tag: it stands for the content, whatever coding it travels in, so that
// one tag serves the plain and the compressed answer (RFC 9110, 8.8.1).
func tagOf(sum [sha256.Size]byte) string {
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// Tag is the entity tag, the same on every instance that gives this content.
func (b *Body) Tag() string { return b.tag[0] }

// TagHeader is Tag as the values of a header, which nobody may change either.
func (b *Body) TagHeader() []string { return b.tag }

// Plain gives the parts of the plain form, in order, and its length in bytes.
func (b *Body) Plain() (parts [][]byte, length int) { return b.parts, b.length }

// Gzip gives the compressed form. It is made when it is first asked for.
func (b *Body) Gzip() []byte {
	b.once.Do(func() {
		if b.packed != nil {
			return
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		for _, part := range b.parts {
			_, _ = z.Write(part) // a bytes.Buffer takes everything
		}
		_ = z.Close()
		b.packed = packed.Bytes()
	})
	return b.packed
}

// answerOverhead is about what an answer takes beside its bytes.
const answerOverhead = 512

// size is about what the Body takes in memory, both forms included.
func (b *Body) size() int64 {
	return int64(b.length) + int64(b.length)/8 + answerOverhead
}
