package respcache_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"evently/internal/respcache"
)

func plain(t *testing.T, body *respcache.Body) string {
	t.Helper()
	var b bytes.Buffer
	n, err := body.WriteTo(&b)
	if err != nil || int(n) != body.Len() || b.Len() != body.Len() {
		t.Errorf("wrote %d of %d bytes: %v", n, body.Len(), err)
	}
	return b.String()
}

func gunzip(t *testing.T, packed []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBody_HasPlainAndGzipForm(t *testing.T) {
	t.Parallel()
	text := strings.Repeat(`{"seats":[]}`, 100)
	body := respcache.NewBody([]byte(text))
	if plain(t, body) != text || gunzip(t, body.Gzip()) != text {
		t.Error("a form differs from the content")
	}
	packed := respcache.NewGzipBody(body.Gzip(), len(text))
	if plain(t, packed) != text {
		t.Error("the decompressed form differs from the content")
	}
}

func TestBody_ShortContentIsNotCompressed(t *testing.T) {
	t.Parallel()
	if body := respcache.NewBody([]byte("{}")); body.Gzip() != nil || plain(t, body) != "{}" {
		t.Errorf("gzip form of %d bytes", len(body.Gzip()))
	}
}

func TestBody_ETagIdentifiesTheContent(t *testing.T) {
	t.Parallel()
	one, same, other := respcache.NewBody([]byte("1")), respcache.NewBody([]byte("1")), respcache.NewBody([]byte("2"))
	if one.ETag() != same.ETag() || one.ETag() == other.ETag() {
		t.Errorf("tags %s, %s, %s", one.ETag(), same.ETag(), other.ETag())
	}
}
