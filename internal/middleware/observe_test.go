package middleware_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"

	"evently/internal/middleware"
)

func TestObserve_SamplingDropsOnlyFastSuccesses(t *testing.T) {
	t.Parallel()
	const slow = time.Second
	for name, tt := range map[string]struct {
		ratio  float64
		status int
		takes  time.Duration
		logged bool
	}{
		"off":              {1, http.StatusOK, 0, true},
		"on":               {0, http.StatusOK, slow - 1, false},
		"on, not modified": {0, http.StatusNotModified, 0, false},
		"on, slow":         {0, http.StatusOK, slow, true},
		"on, conflict":     {0, http.StatusConflict, 0, true},
		"on, rate limited": {0, http.StatusTooManyRequests, 0, true},
		"on, server error": {0, http.StatusInternalServerError, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				h := middleware.Observe(&counts{}, slog.New(slog.NewJSONHandler(&out, nil)), middleware.LogSampling{Ratio: tt.ratio, SlowAfter: slow})(
					http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
						<-time.After(tt.takes)
						w.WriteHeader(tt.status)
					}))
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
				if logged := strings.Contains(out.String(), `"status":`+strconv.Itoa(tt.status)); logged != tt.logged {
					t.Errorf("logged: %t, want %t: %s", logged, tt.logged, &out)
				}
			})
		})
	}
}

func TestObserve_SamplingKeepsItsShare(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	h := middleware.Observe(&counts{}, slog.New(slog.NewJSONHandler(&out, nil)), middleware.LogSampling{Ratio: .25, SlowAfter: time.Hour})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	const requests = 8000
	for range requests {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}
	// 2000 are expected; fewer than 1700 or more than 2300 happen with a probability of 10^-14.
	if n := strings.Count(out.String(), "\n"); n < 1700 || n > 2300 {
		t.Errorf("%d of %d requests were logged, want about a quarter", n, requests)
	}
}

// counts is a RequestRecorder.
type counts struct {
	began, ended int
	route        string
	status       int
	stream       bool
}

func (c *counts) RequestBegan() { c.began++ }

func (c *counts) RequestEnded(_, route string, status int, _ time.Duration, stream bool) {
	c.ended++
	c.route, c.status, c.stream = route, status, stream
}

func TestObserve_RecordsEveryRequest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		path    string
		handler http.HandlerFunc
		want    counts
	}{
		"nothing written": {"/shows/1", func(http.ResponseWriter, *http.Request) {}, counts{1, 1, "/shows/{id}", 200, false}},
		"no route":        {"/nope", nil, counts{1, 1, "none", 404, false}},
		"panic":           {"/shows/1", func(http.ResponseWriter, *http.Request) { panic("x") }, counts{1, 1, "/shows/{id}", 500, false}},
		"stream": {"/shows/1", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		}, counts{1, 1, "/shows/{id}", 200, true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got counts
			log := slog.New(slog.DiscardHandler)
			router := chi.NewRouter()
			router.Use(middleware.Observe(&got, log, middleware.LogSampling{Ratio: 1}), middleware.Recover(log))
			router.Get("/shows/{id}", func(w http.ResponseWriter, r *http.Request) { tt.handler(w, r) })
			router.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, tt.path, nil))
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Event streams flush through every wrapped ResponseWriter.
func TestObserve_ResponsesCanBeFlushed(t *testing.T) {
	t.Parallel()
	flushed, received := make(chan struct{}), make(chan struct{})
	log := slog.New(slog.DiscardHandler)
	h := middleware.Observe(&counts{}, log, middleware.LogSampling{})(middleware.Recover(log)(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			connection := http.NewResponseController(w)
			_, _ = w.Write([]byte("first"))
			if err := errors.Join(connection.SetWriteDeadline(time.Now().Add(time.Minute)), connection.Flush()); err != nil {
				t.Error(err)
			}
			close(flushed)
			select {
			case <-received:
			case <-r.Context().Done():
			}
		})))
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	<-flushed
	var first [5]byte
	if _, err := io.ReadFull(resp.Body, first[:]); err != nil || string(first[:]) != "first" {
		t.Errorf("read %q, %v", first, err)
	}
	close(received)
}

func TestObserve_LongMethodIsCut(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	h := middleware.Observe(&counts{}, slog.New(slog.NewJSONHandler(&out, nil)), middleware.LogSampling{Ratio: 1})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for method, want := range map[string]string{
		strings.Repeat("A", 60_000): strings.Repeat("A", 20) + "…", "VERSION-CONTROL-TWO!": "VERSION-CONTROL-TWO!", "GET": "GET",
	} {
		out.Reset()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, "/", nil))
		if !strings.Contains(out.String(), `"method":"`+want+`"`) {
			t.Errorf("want %q in a line of %d bytes: %.300s", want, out.Len(), out.String())
		}
	}
}
