package challenge_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"evently/internal/challenge"
	"evently/internal/domain"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status   int
		body     string
		response string
		want     error
	}{
		"solved":              {200, `{"success": true, "error-codes": []}`, "solved", nil},
		"not solved":          {200, `{"success": false, "error-codes": ["invalid-input-response"]}`, "guessed", domain.ErrChallengeFailed},
		"no response":         {200, `{"success": true}`, "", domain.ErrChallengeFailed},
		"our secret is wrong": {200, `{"success": false, "error-codes": ["invalid-input-secret"]}`, "solved", domain.ErrChallengeUnavailable},
		"provider fails":      {500, `{"success": true}`, "solved", domain.ErrChallengeUnavailable},
		"another page":        {200, `<html>`, "solved", domain.ErrChallengeUnavailable},
		"no answer":           {200, `{}`, "solved", domain.ErrChallengeUnavailable},
		"redirect":            {302, ``, "solved", domain.ErrChallengeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for field, want := range map[string]string{"secret": "s3cret", "response": c.response, "remoteip": "192.0.2.1"} {
					if got := r.PostFormValue(field); got != want {
						t.Errorf("%s: %q, want %q", field, got, want)
					}
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer provider.Close()
			err := challenge.New(provider.URL, "s3cret").Check(t.Context(), c.response, netip.MustParseAddr("192.0.2.1"))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestCheck_ProviderIsAway(t *testing.T) {
	t.Parallel()
	verifier := challenge.New("http://127.0.0.1:1", "s3cret")
	if err := verifier.Check(t.Context(), "solved", netip.Addr{}); !errors.Is(err, domain.ErrChallengeUnavailable) {
		t.Errorf("got %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := verifier.Check(gone, "solved", netip.Addr{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a client that left: %v", err)
	}
}
