package server

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"

	"evently/api"
	"evently/internal/handler"
	"evently/internal/respond"
)

// docsFiles are the page as http-swagger renders it and what of Swagger UI it loads, compressed. Both
// come from the modules that go.mod names: a test writes them with -update, and holds them against
// those modules. Imported here, the modules would bring 9 MB of source maps, and a template engine
// with which the linker must keep every method of every type.
//
//go:embed docs
var docsFiles embed.FS

// docsTypes are the files that the page loads, with their types.
var docsTypes = map[string]string{
	"docs.css":                        "text/css; charset=utf-8",
	"favicon-16x16.png":               "image/png",
	"favicon-32x32.png":               "image/png",
	"swagger-ui-bundle.js":            "text/javascript; charset=utf-8",
	"swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
	"swagger-ui.css":                  "text/css; charset=utf-8",
}

// mountDocs serves the API documentation: Swagger UI at /api-docs/ and the OpenAPI document
// beside it. Everything comes from this binary, and is made ready when it is first asked for.
func mountDocs(r chi.Router, do func(respond.Handler) http.HandlerFunc) error {
	page, err := docsFiles.ReadFile("docs/index.html")
	if err != nil {
		return fmt.Errorf("read the documentation page: %w", err)
	}
	assets := map[string]respond.Handler{}
	for name, contentType := range docsTypes {
		assets[name] = serveDocs(contentType, func() (docsContent, error) { return embedded(name) })
	}
	plain := func(load func() ([]byte, error)) func() (docsContent, error) {
		return func() (docsContent, error) {
			content, err := load()
			return docsContent{plain: content}, err
		}
	}

	r.Get("/api-docs", http.RedirectHandler("/api-docs/", http.StatusMovedPermanently).ServeHTTP)
	r.Get("/api-docs/", withDocsPolicy(page, do(serveDocs("text/html; charset=utf-8",
		plain(func() ([]byte, error) { return page, nil })))))
	r.Get("/api-docs/openapi.yaml", do(serveDocs("application/yaml; charset=utf-8",
		plain(func() ([]byte, error) { return api.YAML(), nil }))))
	r.Get("/api-docs/openapi.json", do(serveDocs("application/json; charset=utf-8", plain(api.JSON))))
	r.Get("/api-docs/{asset}", do(func(w http.ResponseWriter, r *http.Request) error {
		serve, ok := assets[chi.URLParam(r, "asset")]
		if !ok {
			return respond.ErrRouteNotFound
		}
		return serve(w, r)
	}))
	return nil
}

// docsContent is a file of the documentation, plain or as gzip.
type docsContent struct {
	plain, packed []byte
	tag           string // opaque part of the weak ETag, which is that of either form
}

// embedded reads a file that the page loads.
func embedded(name string) (docsContent, error) {
	if packed, err := docsFiles.ReadFile(path.Join("docs", name+".gz")); err == nil {
		return docsContent{packed: packed}, nil
	}
	content, err := docsFiles.ReadFile(path.Join("docs", name))
	return docsContent{plain: content}, err
}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// withDocsPolicy lets the page load from this server alone and run its own inline script by
// hash, so that nothing a document or an answer brings along can run. Swagger UI sets styles
// inline and has its icons as data: URLs.
func withDocsPolicy(page []byte, next http.HandlerFunc) http.HandlerFunc {
	scripts := []string{"'self'"}
	for _, match := range inlineScript.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(match[1])
		scripts = append(scripts, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
	policy := "default-src 'none'; script-src " + strings.Join(scripts, " ") +
		"; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'" +
		"; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		next(w, r)
	}
}

// serveDocs serves content that stays the same while the process runs. Clients ask again each time
// and get 304: after an upgrade nobody reads yesterday's documentation.
func serveDocs(contentType string, load func() (docsContent, error)) respond.Handler {
	once := sync.OnceValues(func() (docsContent, error) {
		content, err := load()
		if err != nil {
			return docsContent{}, fmt.Errorf("read a file of the documentation: %w", err)
		}
		sum := sha256.Sum256(append(content.plain, content.packed...))
		content.tag = `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
		return content, nil
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		content, err := once()
		if err != nil {
			return err
		}
		header := w.Header()
		header.Set("Content-Type", contentType)
		header.Set("Cache-Control", "no-cache")
		header.Set("ETag", "W/"+content.tag)
		if content.packed != nil {
			header.Add("Vary", "Accept-Encoding")
		}
		// The header may list several tags, and weaken them; none can be part of another.
		if strings.Contains(r.Header.Get("If-None-Match"), content.tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		body := content.plain
		switch {
		case content.packed == nil:
		case handler.AcceptsGzip(r.Header.Values("Accept-Encoding")):
			header.Set("Content-Encoding", "gzip")
			body = content.packed
		default:
			if body, err = unpack(content.packed); err != nil {
				return err
			}
		}
		header.Set("Content-Length", strconv.Itoa(len(body)))
		// An error here is a client that went away: there is nobody left to tell.
		_, _ = w.Write(body)
		return nil
	}
}

func unpack(packed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}
