package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"
	swaggerFiles "github.com/swaggo/files/v2"
	httpSwagger "github.com/swaggo/http-swagger/v2"

	"evently/api"
)

//go:embed docs.css
var docsStyle []byte

// docsAssets are the files of Swagger UI that the page loads, with their types. The rest of its
// distribution (source maps, its own demo page) is not served.
var docsAssets = map[string]string{
	"favicon-16x16.png":               "image/png",
	"favicon-32x32.png":               "image/png",
	"swagger-ui-bundle.js":            "text/javascript; charset=utf-8",
	"swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
	"swagger-ui.css":                  "text/css; charset=utf-8",
}

// docsHead runs before Swagger UI starts, in the one place of http-swagger's page that is open
// to its users. The page has no title of its own and no viewport, without which a phone shows
// it at desktop width.
const docsHead = `
  document.title = "Evently API";
  document.head.insertAdjacentHTML("beforeend",
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    '<link rel="stylesheet" href="./docs.css">');`

// mountDocs serves the API documentation: Swagger UI at /api-docs/ and the OpenAPI document
// beside it. Everything comes from this binary. notFound answers for files that do not exist.
func mountDocs(r chi.Router, notFound http.HandlerFunc) error {
	documentJSON, err := api.JSON()
	if err != nil {
		return err
	}
	page, err := docsPage()
	if err != nil {
		return err
	}
	assets := map[string]http.HandlerFunc{"docs.css": serveDocsFile("text/css; charset=utf-8", docsStyle)}
	for name, contentType := range docsAssets {
		content, err := fs.ReadFile(swaggerFiles.FS, name)
		if err != nil {
			return fmt.Errorf("read a file of Swagger UI: %w", err)
		}
		assets[name] = serveDocsFile(contentType, content)
	}

	r.Get("/api-docs", http.RedirectHandler("/api-docs/", http.StatusMovedPermanently).ServeHTTP)
	r.Get("/api-docs/", withDocsPolicy(page, serveDocsFile("text/html; charset=utf-8", page)))
	r.Get("/api-docs/openapi.yaml", serveDocsFile("application/yaml; charset=utf-8", api.YAML()))
	r.Get("/api-docs/openapi.json", serveDocsFile("application/json; charset=utf-8", documentJSON))
	r.Get("/api-docs/{asset}", func(w http.ResponseWriter, r *http.Request) {
		serve, ok := assets[chi.URLParam(r, "asset")]
		if !ok {
			serve = notFound
		}
		serve(w, r)
	})
	return nil
}

// docsPage renders the page of http-swagger. It is the same for everybody, so once is enough.
func docsPage() ([]byte, error) {
	const path = "/api-docs/index.html"
	// http-swagger goes by RequestURI.
	request := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, RequestURI: path}
	var page pageWriter
	httpSwagger.Handler(
		httpSwagger.URL("./openapi.json"),
		httpSwagger.Layout(httpSwagger.BaseLayout), // no bar to load other people's documents with
		httpSwagger.DeepLinking(true),
		httpSwagger.DocExpansion("list"),
		httpSwagger.DefaultModelsExpandDepth(0),
		httpSwagger.PersistAuthorization(true),
		httpSwagger.UIConfig(map[string]string{
			"tryItOutEnabled":        "true",
			"displayRequestDuration": "true",
			"filter":                 "true",
		}),
		httpSwagger.BeforeScript(docsHead),
	)(&page, request)
	if !bytes.Contains(page.Bytes(), []byte("SwaggerUIBundle(")) {
		return nil, fmt.Errorf("render the documentation page: http-swagger gave %d bytes without it", page.Len())
	}
	return page.Bytes(), nil
}

// pageWriter keeps the body of an answer.
type pageWriter struct{ bytes.Buffer }

func (*pageWriter) Header() http.Header { return http.Header{} }
func (*pageWriter) WriteHeader(int)     {}

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

// serveDocsFile serves content that stays the same while the process runs. Clients ask again
// each time and get 304: after an upgrade nobody reads yesterday's documentation.
func serveDocsFile(contentType string, content []byte) http.HandlerFunc {
	sum := sha256.Sum256(content)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("ETag", etag)
		// The header may list several tags, and weaken them; none can be part of another.
		if strings.Contains(r.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(content)))
		// An error here is a client that went away: there is nobody left to tell.
		_, _ = w.Write(content)
	}
}
