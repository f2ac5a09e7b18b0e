package middleware_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/middleware"
)

// chain returns h behind the middleware of every route, and its log.
func chain(h http.HandlerFunc) (http.Handler, *bytes.Buffer) {
	var logged bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	router := chi.NewRouter()
	router.Use(
		middleware.Identify(middleware.Clients{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Log: slog.New(slog.DiscardHandler)}),
		middleware.Observe(&counts{}, log, middleware.LogSampling{Ratio: 1}),
		middleware.Recover(log),
		middleware.Headers(middleware.HeaderOptions{}),
	)
	router.Get("/shows/{id}", h)
	router.Get("/health", h)
	return router, &logged
}

// lines decodes the log.
func lines(t *testing.T, logged *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for line := range strings.Lines(logged.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, one)
	}
	return all
}

func TestIdentify_RequestID(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		sent string
		kept bool
	}{
		"none":           {"", false},
		"acceptable":     {"req-1.2:a/b_c+d=", true},
		"longest":        {strings.Repeat("a", 128), true},
		"too long":       {strings.Repeat("a", 129), false},
		"space":          {"a b", false},
		"log forgery":    {"a\"}", false},
		"not ASCII":      {"ä", false},
		"script":         {"<script>", false},
		"control letter": {"a\x7f", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var inside string
			h, _ := chain(func(_ http.ResponseWriter, r *http.Request) { inside = domain.RequestFrom(r.Context()).ID })
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/shows/1", nil)
			r.Header["X-Request-Id"] = []string{tt.sent}
			h.ServeHTTP(w, r)

			got := w.Header().Get("X-Request-ID")
			if (got == tt.sent) != tt.kept || got == "" {
				t.Errorf("sent %q, got %q", tt.sent, got)
			}
			if inside != got {
				t.Errorf("in the context %q, want %q", inside, got)
			}
		})
	}
}

func TestIdentify_ClientAddress(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"direct":                   {"203.0.113.9:1234", nil, "203.0.113.9"},
		"header from anyone":       {"203.0.113.9:1234", []string{"198.51.100.1"}, "203.0.113.9"},
		"from our proxy":           {"10.0.0.1:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"forged to the left":       {"10.0.0.1:1234", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"},
		"two proxies":              {"10.0.0.1:1234", []string{"1.1.1.1, 198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		"two headers":              {"10.0.0.1:1234", []string{"1.1.1.1", "198.51.100.1"}, "198.51.100.1"},
		"only proxies":             {"10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"nonsense":                 {"10.0.0.1:1234", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		"nonsense behind a proxy":  {"10.0.0.1:1234", []string{"1.1.1.1, , 10.0.0.2"}, "10.0.0.2"},
		"no header from our proxy": {"10.0.0.1:1234", nil, "10.0.0.1"},
		"with port":                {"10.0.0.1:1234", []string{"198.51.100.1:5678"}, "198.51.100.1"},
		"IPv6 with port":           {"10.0.0.1:1234", []string{"[2001:db8::1]:5678"}, "2001:db8::1"},
		"IPv6":                     {"10.0.0.1:1234", []string{"2001:db8::1"}, "2001:db8::1"},
		"proxy as mapped address":  {"[::ffff:10.0.0.1]:1234", []string{"198.51.100.1"}, "198.51.100.1"},
		"Unix socket":              {"@", []string{"198.51.100.1"}, "invalid IP"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got netip.Addr
			h, _ := chain(func(_ http.ResponseWriter, r *http.Request) { got = domain.RequestFrom(r.Context()).ClientAddr })
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/shows/1", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Forwarded-For"] = tt.forwarded
			h.ServeHTTP(httptest.NewRecorder(), r)
			if got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestObserve_LogsOneLineWithoutThePath(t *testing.T) {
	t.Parallel()
	h, logged := chain(func(w http.ResponseWriter, r *http.Request) {
		domain.RequestFrom(r.Context()).Identity = &domain.Identity{UserID: 7}
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte("short"))
	})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/shows/secret?token=secret", nil))

	all := lines(t, logged)
	if len(all) != 1 {
		t.Fatalf("%d lines, want 1: %s", len(all), logged)
	}
	if strings.Contains(logged.String(), "secret") {
		t.Errorf("the path is in %s", logged)
	}
	got := all[0]
	for _, name := range []string{"time", "duration"} {
		if got[name] == nil {
			t.Errorf("no %s in %s", name, logged)
		}
		delete(got, name)
	}
	want := map[string]any{
		"level": "INFO", "msg": "request", "method": "GET", "route": "/shows/{id}", "status": 418.0, "bytes": 5.0,
		"client_ip": "192.0.2.1", "user_id": 7.0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestObserve_ProbesAreLoggedAtDebug(t *testing.T) {
	t.Parallel()
	h, logged := chain(func(http.ResponseWriter, *http.Request) {})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/health", nil))
	if got := lines(t, logged)[0]["level"]; got != "DEBUG" {
		t.Errorf("level %v", got)
	}
}

func TestRecover_PanicIsA500WithAStackInTheLog(t *testing.T) {
	t.Parallel()
	h, logged := chain(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"x"`)
		panic("private")
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/shows/1", nil))

	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"message": domain.ErrInternal.Message, "code": "internal", "request_id": w.Header().Get("X-Request-ID"),
	}
	if diff := cmp.Diff(want, body); w.Code != http.StatusInternalServerError || diff != "" {
		t.Errorf("%d (-want +got):\n%s", w.Code, diff)
	}
	if w.Header().Get("ETag") != "" {
		t.Error("the response has the ETag of the handler")
	}
	all := lines(t, logged)
	if len(all) != 2 || all[0]["cause"] != "private" || !strings.Contains(fmt.Sprint(all[0]["stack"]), "middleware_test.go") || all[1]["status"] != 500.0 {
		t.Errorf("logged %s", logged)
	}
}

func TestRecover_PanicAfterAWriteClosesTheConnection(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]any{"fault": "fault", "abort": http.ErrAbortHandler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, logged := chain(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte("half"))
				panic(cause)
			})
			defer func() {
				got := recover()
				if err, ok := got.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("panic %v, want http.ErrAbortHandler", got)
				}
				if n := len(lines(t, logged)); (name == "fault") != (n == 2) {
					t.Errorf("%d lines: %s", n, logged)
				}
			}()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/shows/1", nil))
		})
	}
}

func TestHeaders_CORS(t *testing.T) {
	t.Parallel()
	tests := []struct {
		allowed []string
		origin  string
		want    string
	}{
		{nil, "https://app.example.com", ""},
		{[]string{"https://app.example.com"}, "https://app.example.com", "https://app.example.com"},
		{[]string{"https://app.example.com"}, "https://evil.example.com", ""},
		{[]string{"https://app.example.com"}, "https://app.example.com.evil.com", ""},
		{[]string{"https://*.example.com"}, "https://app.example.com", "https://app.example.com"},
		{[]string{"https://*.example.com"}, "https://example.com", ""},
		{[]string{"*"}, "https://anybody.com", "*"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.allowed, tt.origin), func(t *testing.T) {
			t.Parallel()
			h := middleware.Headers(middleware.HeaderOptions{Origins: tt.allowed})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			for _, method := range []string{http.MethodGet, http.MethodOptions} {
				r := httptest.NewRequestWithContext(t.Context(), method, "/", nil)
				r.Header.Set("Origin", tt.origin)
				r.Header.Set("Access-Control-Request-Method", http.MethodPost)
				r.Header.Set("Access-Control-Request-Headers", "authorization,content-type,idempotency-key")
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.want {
					t.Errorf("%s: allowed %q, want %q", method, got, tt.want)
				}
				if w.Header().Get("Access-Control-Allow-Credentials") != "" {
					t.Error("credentials are allowed")
				}
			}
		})
	}
}

func TestHeaders_CORSAllowsTheHeadersOfClients(t *testing.T) {
	t.Parallel()
	h := middleware.Headers(middleware.HeaderOptions{Origins: []string{"https://app.example.com"}})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for header, want := range map[string]bool{
		"accept": true, "authorization": true, "cache-control": true, "content-type": true, "idempotency-key": true, "if-none-match": true,
		"last-event-id": true, "traceparent": true, "tracestate": true, "x-request-id": true, "cache-control,last-event-id": true,
		"x-other": false, "cookie": false,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/", http.NoBody)
		r.Header.Set("Origin", "https://app.example.com")
		r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		r.Header.Set("Access-Control-Request-Headers", header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin") != ""; got != want {
			t.Errorf("%s: allowed is %t, want %t", header, got, want)
		}
	}
}

// The API guide lists what scripts may send and read.
func TestHeaders_CORSIsAsInTheGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/api-guide.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(guide), "\n## From a web page\n")
	if !found {
		t.Fatal("the guide has no section")
	}
	// listed returns the headers of the line that begins with the text, sorted.
	listed := func(begin string) []string {
		_, line, _ := strings.Cut(section, "\n- "+begin)
		line, _, _ = strings.Cut(line, "\n")
		var names []string
		for _, match := range regexp.MustCompile("`([A-Za-z-]+)`").FindAllStringSubmatch(line, -1) {
			names = append(names, http.CanonicalHeaderKey(match[1]))
		}
		slices.Sort(names)
		return names
	}
	h := middleware.Headers(middleware.HeaderOptions{Origins: []string{"https://app.example.com"}})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.Header.Set("Origin", "https://app.example.com")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	exposed := strings.Split(w.Header().Get("Access-Control-Expose-Headers"), ", ")
	for i, name := range exposed {
		exposed[i] = http.CanonicalHeaderKey(name)
	}
	slices.Sort(exposed)
	if diff := cmp.Diff(exposed, listed("**Read**")); diff != "" {
		t.Errorf("headers that scripts may read (-exposed +guide):\n%s", diff)
	}
	for _, name := range listed("**Send**") {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/", http.NoBody)
		r.Header.Set("Origin", "https://app.example.com")
		r.Header.Set("Access-Control-Request-Method", http.MethodGet)
		r.Header.Set("Access-Control-Request-Headers", strings.ToLower(name))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Header().Get("Access-Control-Allow-Origin") == "" {
			t.Errorf("%s is in the guide and not allowed", name)
		}
	}
	if len(listed("**Send**")) < 9 {
		t.Errorf("the guide lists only %q to send", listed("**Send**"))
	}
}
