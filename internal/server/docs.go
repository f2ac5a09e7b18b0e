package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	swaggerFiles "github.com/swaggo/files/v2"
	httpSwagger "github.com/swaggo/http-swagger/v2"

	"evently/api"
	"evently/internal/domain"
	"evently/internal/respond"
)

//go:embed docs.css
var docsStyle []byte

// docsHead runs before Swagger UI starts. The page of http-swagger has no title of its own and no viewport.
const docsHead = `
  document.title = "Evently API";
  document.head.insertAdjacentHTML("beforeend",
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    '<link rel="stylesheet" href="./docs.css">');`

// swaggerAssets are the files of Swagger UI that its page loads. The others are not served.
var swaggerAssets = []string{
	"favicon-16x16.png", "favicon-32x32.png", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css",
}

// gzipLevel is a compromise: Swagger UI shrinks from 1.8 to 0.5 MB.
const gzipLevel = 5

// mountDocs serves Swagger UI at /api-docs/ and the OpenAPI document below it.
func mountDocs(r chi.Router, do func(respond.Handler) http.HandlerFunc) error {
	swagger := httpSwagger.Handler(
		httpSwagger.URL("./openapi.json"),
		httpSwagger.Layout(httpSwagger.BaseLayout), // without the bar that loads other documents
		httpSwagger.DefaultModelsExpandDepth(0),
		httpSwagger.PersistAuthorization(true),
		httpSwagger.UIConfig(map[string]string{"tryItOutEnabled": "true", "displayRequestDuration": "true", "filter": "true"}),
		httpSwagger.BeforeScript(docsHead),
	)
	page, err := docsPage(swagger)
	if err != nil {
		return err
	}
	policy := docsPolicy(page)
	servePage := static("text/html; charset=utf-8", func() ([]byte, error) { return page, nil })
	assets := map[string]respond.Handler{
		"docs.css": static("text/css; charset=utf-8", func() ([]byte, error) { return docsStyle, nil }),
	}
	for _, name := range swaggerAssets {
		assets[name] = swaggerAsset(swagger, name)
	}

	r.Get("/api-docs", http.RedirectHandler("/api-docs/", http.StatusMovedPermanently).ServeHTTP)
	r.Get("/api-docs/", do(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Security-Policy", policy)
		return servePage(w, r)
	}))
	r.Get("/api-docs/openapi.yaml", do(static("application/yaml; charset=utf-8", func() ([]byte, error) { return api.YAML(), nil })))
	r.Get("/api-docs/openapi.json", do(static("application/json; charset=utf-8", api.JSON)))
	compress := chimiddleware.Compress(gzipLevel, "text/css", "application/javascript")
	r.With(compress).Get("/api-docs/{asset}", do(func(w http.ResponseWriter, r *http.Request) error {
		serve, ok := assets[chi.URLParam(r, "asset")]
		if !ok {
			return domain.ErrRouteNotFound
		}
		return serve(w, r)
	}))
	return nil
}

// docsPage returns the page of Swagger UI, which is the same for every request.
func docsPage(swagger http.HandlerFunc) ([]byte, error) {
	page := &pageWriter{header: http.Header{}}
	swagger(page, &http.Request{Method: http.MethodGet, RequestURI: "/api-docs/index.html", URL: &url.URL{}})
	if !bytes.Contains(page.Bytes(), []byte("SwaggerUIBundle(")) {
		return nil, errors.New("http-swagger did not render its page")
	}
	return page.Bytes(), nil
}

// pageWriter is a ResponseWriter that keeps the body.
type pageWriter struct {
	bytes.Buffer
	header http.Header
}

// Header implements http.ResponseWriter.
func (w *pageWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *pageWriter) WriteHeader(int) {}

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// docsPolicy returns the Content-Security-Policy of the page: it may load files from this server and run its own inline
// script, identified by hash. Swagger UI needs inline styles and icons as data URLs.
func docsPolicy(page []byte) string {
	scripts := "'self'"
	for _, match := range inlineScript.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(match[1])
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src " + scripts + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// swaggerAsset serves a file of Swagger UI from the module of http-swagger.
func swaggerAsset(swagger http.HandlerFunc, name string) respond.Handler {
	tag := sync.OnceValues(func() (string, error) {
		content, err := fs.ReadFile(swaggerFiles.FS, name)
		return tagOf(content), err
	})
	return func(w http.ResponseWriter, r *http.Request) error {
		etag, err := tag()
		if err != nil {
			return err
		}
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		// http-swagger takes the name from RequestURI, and refuses HEAD. Ranges are not offered.
		file := &http.Request{Method: http.MethodGet, RequestURI: "/api-docs/" + name, Header: http.Header{}}
		if known := r.Header.Values("If-None-Match"); len(known) > 0 {
			file.Header.Set("If-None-Match", strings.Join(known, ","))
		}
		swagger(w, file.WithContext(r.Context()))
		return nil
	}
}

// static serves content that does not change while the process runs. Clients revalidate it, so that they see a new release
// at once.
func static(contentType string, load func() ([]byte, error)) respond.Handler {
	loadOnce := sync.OnceValues(load)
	return func(w http.ResponseWriter, r *http.Request) error {
		content, err := loadOnce()
		if err != nil {
			return err
		}
		etag := tagOf(content)
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		// The header may list several tags, weak or not.
		if strings.Contains(strings.Join(r.Header.Values("If-None-Match"), ","), strings.TrimPrefix(etag, "W/")) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		_, _ = w.Write(content) // fails if the client has gone
		return nil
	}
}

// tagOf returns the ETag of content, which is weak because it may be sent compressed.
func tagOf(content []byte) string {
	sum := sha256.Sum256(content)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
}
