package server

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"evently/api"
	"evently/api/apitest"
	"evently/internal/respond"
)

// docsServer is the documentation alone, with the two things that the whole server adds.
func docsServer(t *testing.T) (*httptest.Server, chi.Router) {
	t.Helper()
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Request-ID", "r1")
			next.ServeHTTP(w, r)
		})
	})
	do := func(h respond.Handler) http.HandlerFunc { return respond.Adapt(slog.New(slog.DiscardHandler), h) }
	if err := mountDocs(router, do); err != nil {
		t.Fatalf("mountDocs: %v", err)
	}
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return server, router
}

// get asks for a path, follows no redirect, and holds the answer against the document.
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

func TestDocsFiles(t *testing.T) {
	t.Parallel()
	server, _ := docsServer(t)
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
				t.Errorf("Cache-Control %q: an upgrade would be missed", got)
			}

			etag := resp.Header.Get("ETag")
			for _, known := range []string{etag, "W/" + etag, `"other", ` + etag} {
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

func TestDocsServeTheDocument(t *testing.T) {
	t.Parallel()
	server, _ := docsServer(t)
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

func TestDocsRedirect(t *testing.T) {
	t.Parallel()
	server, _ := docsServer(t)
	if resp, _ := get(t, server, "/api-docs"); resp.StatusCode != http.StatusMovedPermanently {
		t.Errorf("/api-docs: %d, want 301", resp.StatusCode)
	}
}

// Swagger UI's distribution has more files than the page needs; none of them is reachable.
func TestDocsServeNothingElse(t *testing.T) {
	t.Parallel()
	server, _ := docsServer(t)
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

// The page works without the internet: what it loads is beside it, and its policy lets nothing
// else in while its own inline script may run.
func TestDocsPageLoadsFromHereAlone(t *testing.T) {
	t.Parallel()
	server, _ := docsServer(t)
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
			t.Errorf("the page refers to %s, which gives %d", name, resp.StatusCode)
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

func TestDocsPageIsSetUp(t *testing.T) {
	t.Parallel()
	server, _ := docsServer(t)
	_, page := get(t, server, "/api-docs/")
	page = strings.Join(strings.Fields(page), " ") // the template pads values with spaces
	for _, want := range []string{
		`openapi.json`, `document.title = "Evently API"`, `width=device-width`, `layout: "BaseLayout"`,
		`tryItOutEnabled: true`, `persistAuthorization: true`, `deepLinking: true`, `docExpansion: "list"`, `validatorUrl: null`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

func TestDocsRoutesAreInTheDocument(t *testing.T) {
	t.Parallel()
	_, router := docsServer(t)
	var mounted, documented []string
	err := chi.Walk(router, func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		mounted = append(mounted, method+" "+route)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range apitest.Routes() {
		if strings.HasPrefix(route, "GET /api-docs") {
			documented = append(documented, route)
		}
	}
	slices.Sort(mounted)
	if diff := cmp.Diff(documented, mounted); diff != "" {
		t.Errorf("documented and mounted routes differ (-documented +mounted):\n%s", diff)
	}
}
