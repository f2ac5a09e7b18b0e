package server

import (
	"bytes"
	"compress/gzip"
	"flag"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	swaggerFiles "github.com/swaggo/files/v2"
	httpSwagger "github.com/swaggo/http-swagger/v2"
)

var update = flag.Bool("update", false, "write the files of the documentation page anew, from the modules in go.mod")

// docsHead runs before Swagger UI starts, in the one place of http-swagger's page that is open
// to its users. The page has no title of its own and no viewport, without which a phone shows
// it at desktop width.
const docsHead = `
  document.title = "Evently API";
  document.head.insertAdjacentHTML("beforeend",
    '<meta name="viewport" content="width=device-width, initial-scale=1">' +
    '<link rel="stylesheet" href="./docs.css">');`

// docsPage is the page of http-swagger, the same for everybody.
func docsPage(t *testing.T) []byte {
	t.Helper()
	page := httptest.NewRecorder()
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
	)(page, httptest.NewRequest(http.MethodGet, "/api-docs/index.html", http.NoBody))
	if !bytes.Contains(page.Body.Bytes(), []byte("SwaggerUIBundle(")) {
		t.Fatalf("http-swagger renders %s", page.Body)
	}
	return page.Body.Bytes()
}

// The files in docs/ are what the modules have, whichever version of them go.mod names.
func TestTheDocsAreThoseOfSwaggerUI(t *testing.T) {
	t.Parallel()
	hold := func(name string, want []byte) {
		t.Helper()
		if *update { // what is embedded is what was there when the test was built
			writeDocs(t, name, want)
			return
		}
		got, err := embedded(name)
		if err == nil && got.packed != nil {
			got.plain, err = unpack(got.packed)
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(string(want), string(got.plain)); diff != "" {
			t.Errorf("%s is not that of the modules: run `go test ./internal/server -update`\n%.2000s", name, diff)
		}
	}
	hold("index.html", docsPage(t))
	for name := range docsTypes {
		if name == "docs.css" {
			continue // our own
		}
		want, err := fs.ReadFile(swaggerFiles.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		hold(name, want)
	}
}

// writeDocs writes a file of docs/; those that are large and load with the page are compressed.
func writeDocs(t *testing.T, name string, content []byte) {
	t.Helper()
	if extension := filepath.Ext(name); extension == ".js" || extension == ".css" {
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		name, content = name+".gz", packed.Bytes()
	}
	if err := os.WriteFile(filepath.Join("docs", name), content, 0o644); err != nil { //nolint:gosec // source
		t.Fatal(err)
	}
}

// Browsers get what is stored; a client that reads no gzip gets it unpacked.
func TestDocsComeCompressed(t *testing.T) {
	t.Parallel()
	server, _ := docsServer(t)
	for _, name := range []string{"swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css"} {
		packed, body := get(t, server, "/api-docs/"+name, "Accept-Encoding", "gzip, br")
		if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", name, packed.Header)
		}
		unpacked, err := unpack([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		plain, body := get(t, server, "/api-docs/"+name, "Accept-Encoding", "identity")
		if plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("ETag") != packed.Header.Get("ETag") {
			t.Errorf("%s, plain: %v", name, plain.Header)
		}
		if body != string(unpacked) || len(body) != int(plain.ContentLength) {
			t.Errorf("%s: %d bytes plain, %d compressed and unpacked again", name, len(body), len(unpacked))
		}
	}
}
