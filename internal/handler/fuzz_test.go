package handler

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"evently/internal/domain"
	"evently/internal/respond"
)

// FuzzDecode decodes any body into each kind of request. An error is the client's.
func FuzzDecode(f *testing.F) {
	for _, body := range []string{
		"", "{}", "null", "[]", `"x"`, "1", `{"show_id":1,"seat_ids":[1,2]}`, `{"show_id":1,"seat_ids":[1,1.5,"2",-1]}`,
		`{"booking_id":1,"amount":450.5,"outcome":"decline"}`, `{"booking_id":9223372036854775808,"amount":1e400}`,
		`{"email":"a@b.example","password":"12345678","role":"admin"}`, `{"email":"a@b.example","EMAIL":"c@d.example"}`,
		`{"venue_name":"Hall","address":"1 Street\nTown"}`, `{"title":"\u0000"}`, `{"title":"\ud800"}`, "{\"title\":\"\xff\"}",
		`{"seats":[{"seat_row":"AA","seat_number":1}]}`, `{"event_id":1,"venue_id":2,"start_time":"2030-01-31T19:30:00Z","end_time":"x","price":450}`,
		`{"price":-0}`, `{"price":"450"}`, `{"a":1}{"b":2}`, `{"show_id":1`, strings.Repeat("[", 10_000),
	} {
		f.Add(body, "application/json")
	}
	f.Add("{}", "application/json; charset=latin1")
	f.Add("{}", "text/plain")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		for _, dst := range []func() any{
			func() any { return new(lockRequest) }, func() any { return new(payRequest) }, func() any { return new(bookingRef) },
			func() any { return new(createVenueRequest) }, func() any { return new(updateVenueRequest) },
			func() any { return new(seatsRequest) }, func() any { return new(createEventRequest) },
			func() any { return new(createShowRequest) }, func() any { return new(updateShowRequest) },
			func() any { return new(configureRequest) }, func() any { return new(registerInput) },
			func() any { return new(loginInput) },
		} {
			for name, read := range map[string]func(http.ResponseWriter, *http.Request, any) error{
				"decode":         func(w http.ResponseWriter, r *http.Request, dst any) error { return decode(w, r, maxBody, dst) },
				"decodeOptional": decodeOptional,
			} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
				r.Header.Set("Content-Type", contentType)
				err := read(httptest.NewRecorder(), r, dst())
				var coded *domain.Error
				if err == nil {
					continue
				}
				if status, _ := respond.ErrorBody(t.Context(), err); !errors.As(err, &coded) || status < 400 || status >= 500 {
					t.Errorf("%s of %q: %v", name, body, err)
				}
			}
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	for _, key := range []string{"key", " ", strings.Repeat("k", 256), "\x7f", "é", "a\tb"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.Header = http.Header{"Idempotency-Key": {key}}
		r = r.WithContext(context.WithValue(r.Context(), chi.RouteCtxKey, chi.NewRouteContext()))
		got, err := requestKey(r, 1, nil)
		unprintable := func(c rune) bool { return c < ' ' || c > '~' }
		if err == nil && (got.Key != key || got.Key == "" || len(got.Key) > 255 || strings.ContainsFunc(got.Key, unprintable)) {
			t.Errorf("the key %q is accepted as %q", key, got.Key)
		}
	})
}
