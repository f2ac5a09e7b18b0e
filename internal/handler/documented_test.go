package handler_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"evently/api/apitest"
	"evently/internal/domain"
	"evently/internal/respond"
)

// documented returns a middleware that gives every response a request id and validates it against
// the API description. The routes of a test may leave out the prefix.
func documented(t testing.TB, prefix string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			t.Helper()
			payload, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(payload))
			seen := httptest.NewRecorder()
			seen.Header().Set(respond.RequestIDHeader, "request-1")
			known := *domain.RequestFrom(r.Context())
			known.ID = "request-1"
			next.ServeHTTP(seen, r.WithContext(domain.WithRequest(r.Context(), &known)))

			asked := r.Clone(r.Context())
			if !strings.HasPrefix(asked.URL.Path, prefix) {
				asked.URL.Path = prefix + asked.URL.Path
			}
			asked.RequestURI = asked.URL.RequestURI()
			body := seen.Body.Bytes()
			if seen.Header().Get("Content-Encoding") == "gzip" {
				if body, err = gunzip(body); err != nil {
					t.Error(err)
				}
			}
			apitest.ValidateResponse(t, asked, payload, seen.Result(), body)

			for name, values := range seen.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(seen.Code)
			if _, err := w.Write(seen.Body.Bytes()); err != nil && seen.Body.Len() > 0 {
				t.Error(err)
			}
		})
	}
}

func gunzip(body []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
