package middleware_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"evently/internal/middleware"
)

// Sampling leaves out requests that went well and quickly, and nothing else.
func TestLogSampling(t *testing.T) {
	t.Parallel()
	const slow = time.Second
	for name, tt := range map[string]struct {
		ratio  float64
		status int
		takes  time.Duration
		logged bool
	}{
		"off":                    {1, http.StatusOK, 0, true},
		"on":                     {0, http.StatusOK, slow - 1, false},
		"on, nothing new":        {0, http.StatusNotModified, 0, false},
		"on, slow":               {0, http.StatusOK, slow, true},
		"on, the client's fault": {0, http.StatusConflict, 0, true},
		"on, turned away":        {0, http.StatusTooManyRequests, 0, true},
		"on, our fault":          {0, http.StatusInternalServerError, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				h := middleware.AccessLog(slog.New(slog.NewJSONHandler(&out, nil)), middleware.LogSampling{Ratio: tt.ratio, SlowAfter: slow})(
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

func TestLogSamplingKeepsItsShare(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	h := middleware.AccessLog(slog.New(slog.NewJSONHandler(&out, nil)), middleware.LogSampling{Ratio: .25, SlowAfter: time.Hour})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	const requests = 8000
	for range requests {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}
	// 2000 are expected; that chance gives fewer than 1700 or more than 2300 is one in 10^14.
	if n := strings.Count(out.String(), "\n"); n < 1700 || n > 2300 {
		t.Errorf("%d of %d requests were logged, want about a quarter", n, requests)
	}
}
