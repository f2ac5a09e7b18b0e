package server

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"

	"evently/api"
	"evently/api/apitest"
	"evently/internal/middleware"
	"evently/internal/respond"
)

// docsServer serves the documentation with the request id and HEAD support of the whole server.
func docsServer(t *testing.T) *httptest.Server {
	t.Helper()
	router := docsRouter(t, true)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server
}

func docsRouter(t *testing.T, keepAuthorization bool) chi.Router {
	t.Helper()
	router := chi.NewRouter()
	router.Use(middleware.Identify(middleware.Clients{}), chimiddleware.GetHead)
	do := func(h respond.Handler) http.HandlerFunc { return respond.Adapt(slog.New(slog.DiscardHandler), h) }
	if err := mountDocs(router, do, keepAuthorization); err != nil {
		t.Fatalf("mountDocs: %v", err)
	}
	return router
}

// get follows no redirects, and validates the response against the OpenAPI document.
func get(t *testing.T, server *httptest.Server, path string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := server.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	apitest.ValidateResponse(t, req, nil, resp, body)
	return resp, string(body)
}

func TestDocs_Files(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	for path, contentType := range map[string]string{
		"/api-docs/":                                "text/html; charset=utf-8",
		"/api-docs/openapi.yaml":                    "application/yaml; charset=utf-8",
		"/api-docs/openapi.json":                    "application/json; charset=utf-8",
		"/api-docs/docs.css":                        "text/css; charset=utf-8",
		"/api-docs/swagger-ui.css":                  "text/css; charset=utf-8",
		"/api-docs/swagger-ui-bundle.js":            "text/javascript; charset=utf-8",
		"/api-docs/swagger-ui-standalone-preset.js": "text/javascript; charset=utf-8",
		"/api-docs/favicon-16x16.png":               "image/png",
		"/api-docs/favicon-32x32.png":               "image/png",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			resp, body := get(t, server, path)
			if resp.StatusCode != http.StatusOK || len(body) == 0 {
				t.Fatalf("%d with %d bytes", resp.StatusCode, len(body))
			}
			if got := resp.Header.Get("Content-Type"); got != contentType {
				t.Errorf("Content-Type %q, want %q", got, contentType)
			}
			if got := resp.Header.Get("Cache-Control"); got != "no-cache" {
				t.Errorf("Cache-Control %q, want no-cache", got)
			}

			etag := resp.Header.Get("ETag")
			for _, known := range []string{etag, strings.TrimPrefix(etag, "W/"), `"other", ` + etag} {
				again, body := get(t, server, path, "If-None-Match", known)
				if again.StatusCode != http.StatusNotModified || body != "" {
					t.Errorf("If-None-Match %s: %d with %d bytes, want 304 with none", known, again.StatusCode, len(body))
				}
			}
			if again, _ := get(t, server, path, "If-None-Match", `"other"`); again.StatusCode != http.StatusOK {
				t.Errorf("If-None-Match of another version: %d, want 200", again.StatusCode)
			}
		})
	}
}

func TestDocs_Document(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	if _, body := get(t, server, "/api-docs/openapi.yaml"); body != string(api.YAML()) {
		t.Error("openapi.yaml is not the embedded document")
	}
	_, body := get(t, server, "/api-docs/openapi.json")
	var document struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil || len(document.Paths) == 0 {
		t.Errorf("openapi.json has %d paths: %v", len(document.Paths), err)
	}
}

func TestDocs_RedirectToTheSlash(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	if resp, _ := get(t, server, "/api-docs"); resp.StatusCode != http.StatusMovedPermanently {
		t.Errorf("/api-docs: %d, want 301", resp.StatusCode)
	}
}

func TestDocs_OtherFilesOfSwaggerUIAreNotServed(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	for _, name := range []string{"index.html", "swagger-initializer.js", "swagger-ui-bundle.js.map", "doc.json", "..%2fdocs.go"} {
		if resp, body := get(t, server, "/api-docs/"+name); resp.StatusCode != http.StatusNotFound || !strings.Contains(body, "route_not_found") {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

var (
	references = regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	pageScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	directive  = regexp.MustCompile(`script-src ([^;]*)`)
)

func TestDocs_PageLoadsOnlyFromThisServer(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	resp, page := get(t, server, "/api-docs/")
	loaded := references.FindAllStringSubmatch(page, -1)
	if len(loaded) == 0 {
		t.Error("the page loads nothing")
	}
	for _, reference := range loaded {
		name, relative := strings.CutPrefix(reference[1], "./")
		if !relative {
			t.Errorf("the page refers to %q", reference[1])
			continue
		}
		if resp, _ := get(t, server, "/api-docs/"+name); resp.StatusCode != http.StatusOK {
			t.Errorf("the page refers to %s, which has status %d", name, resp.StatusCode)
		}
	}

	policy := resp.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	allowed := directive.FindStringSubmatch(policy)
	scripts := pageScript.FindAllStringSubmatch(page, -1)
	if len(allowed) == 0 || len(scripts) != 1 {
		t.Fatalf("%d inline scripts with the policy %s", len(scripts), policy)
	}
	sum := sha256.Sum256([]byte(scripts[0][1]))
	want := "'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if allowed[1] != want {
		t.Errorf("script-src %s, want %s", allowed[1], want)
	}
}

func TestDocs_PageIsConfigured(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	_, page := get(t, server, "/api-docs/")
	page = strings.Join(strings.Fields(page), " ") // the template adds spaces
	for _, want := range []string{
		`openapi.json`, `document.title = "Evently API"`, `width=device-width`, `layout: "BaseLayout"`,
		`tryItOutEnabled: true`, `persistAuthorization: true`, `deepLinking: true`, `docExpansion: "list"`, `validatorUrl: null`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestDocs_AuthorizationIsKeptOnlyIfAsked(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	docsRouter(t, false).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api-docs/", nil))
	if !strings.Contains(strings.Join(strings.Fields(w.Body.String()), " "), `persistAuthorization: false`) {
		t.Error("the page keeps the token in the browser")
	}
}

func TestDocs_FilesAreCompressed(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	for _, name := range []string{"swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css", "docs.css", "openapi.yaml", "openapi.json"} {
		packed, body := get(t, server, "/api-docs/"+name, "Accept-Encoding", "gzip, br")
		if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: headers %v", name, packed.Header)
		}
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		plain, body := get(t, server, "/api-docs/"+name, "Accept-Encoding", "identity")
		if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("ETag") != packed.Header.Get("ETag") || body != string(unpacked) {
			t.Errorf("%s: %d bytes uncompressed, %d after decompression, headers %v", name, len(body), len(unpacked), plain.Header)
		}
	}
}

func TestDocs_HeadAndRanges(t *testing.T) {
	t.Parallel()
	server := docsServer(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, server.URL+"/api-docs/swagger-ui.css", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("HEAD: %d %v", resp.StatusCode, resp.Header)
	}
	if ranged, _ := get(t, server, "/api-docs/swagger-ui.css", "Range", "bytes=99999999-"); ranged.StatusCode != http.StatusOK {
		t.Errorf("range: %d, want 200", ranged.StatusCode)
	}
}
