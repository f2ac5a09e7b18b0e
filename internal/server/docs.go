package server

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"regexp"

	"github.com/go-chi/chi/v5"
	httpSwagger "github.com/swaggo/http-swagger/v2"

	"evently/api"
	"evently/internal/handler"
	"evently/internal/respond"
)

//go:embed docs.css
var docsStyle []byte

const docsHead = `
  document.title = "Evently API";
  document.head.insertAdjacentHTML("beforeend",
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    '<link rel="stylesheet" href="./docs.css">');`

var swaggerAssets = map[string]string{
	"favicon-16x16.png":               "image/png",
	"favicon-32x32.png":               "image/png",
	"swagger-ui-bundle.js":            "text/javascript; charset=utf-8",
	"swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
	"swagger-ui.css":                  "text/css; charset=utf-8",
}

func mountDocs(r chi.Router, do func(respond.Handler) http.HandlerFunc, keepAuthorization bool) error {
	swagger := httpSwagger.Handler(
		httpSwagger.URL("./openapi.json"),
		httpSwagger.Layout(httpSwagger.BaseLayout), // without the bar that loads other documents
		httpSwagger.DefaultModelsExpandDepth(0),
		httpSwagger.PersistAuthorization(keepAuthorization),
		httpSwagger.UIConfig(map[string]string{
			"tryItOutEnabled":        "true",
			"displayRequestDuration": "true",
			"filter":                 "true",
		}),
		httpSwagger.BeforeScript(docsHead),
	)
	page, err := swaggerFile(swagger, "index.html")
	if err != nil {
		return err
	}
	policy := docsPolicy(page)
	servePage := handler.Static("text/html; charset=utf-8", func() ([]byte, error) { return page, nil })
	assets := map[string]respond.Handler{
		"docs.css": handler.Static("text/css; charset=utf-8", func() ([]byte, error) { return docsStyle, nil }),
	}
	for name, contentType := range swaggerAssets {
		assets[name] = handler.Static(contentType, func() ([]byte, error) { return swaggerFile(swagger, name) })
	}

	r.Get("/api-docs", http.RedirectHandler("/api-docs/", http.StatusMovedPermanently).ServeHTTP)
	r.Get("/api-docs/", do(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Content-Security-Policy", policy)
		return servePage(w, r)
	}))
	yaml := func() ([]byte, error) { return api.YAML(), nil }
	r.Get("/api-docs/openapi.yaml", do(handler.Static("application/yaml; charset=utf-8", yaml)))
	r.Get("/api-docs/openapi.json", do(handler.Static("application/json; charset=utf-8", api.JSON)))
	r.Get("/api-docs/{asset}", do(func(w http.ResponseWriter, r *http.Request) error {
		serve, ok := assets[chi.URLParam(r, "asset")]
		if !ok {
			return respond.ErrRouteNotFound
		}
		return serve(w, r)
	}))
	return nil
}

func swaggerFile(swagger http.HandlerFunc, name string) ([]byte, error) {
	file := &fileWriter{header: http.Header{}}
	swagger(file, &http.Request{Method: http.MethodGet, RequestURI: "/api-docs/" + name, URL: &url.URL{}})
	if file.status != 0 && file.status != http.StatusOK {
		return nil, fmt.Errorf("http-swagger has no %s: status %d", name, file.status)
	}
	return file.Bytes(), nil
}

type fileWriter struct {
	bytes.Buffer
	header http.Header
	status int
}

func (w *fileWriter) Header() http.Header { return w.header }

func (w *fileWriter) WriteHeader(status int) { w.status = status }

var inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// docsPolicy allows files of this server, the inline script of page by its hash, and what Swagger UI needs inline.
func docsPolicy(page []byte) string {
	scripts := "'self'"
	for _, match := range inlineScript.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(match[1])
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; script-src " + scripts + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
