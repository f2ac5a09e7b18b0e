// Package challenge asks a provider whether a human solved its challenge, by the siteverify protocol that Cloudflare
// Turnstile and hCaptcha share.
package challenge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"evently/internal/domain"
)

const (
	timeout     = 5 * time.Second
	maxResponse = 64 << 10
	maxAsking   = 32 // requests to the provider at once
)

// Verifier checks solved challenges. It is safe for concurrent use.
type Verifier struct {
	url    string
	secret string
	client *http.Client
}

// New returns a Verifier that asks url, with the secret of the site.
func New(url, secret string) *Verifier {
	return &Verifier{url: url, secret: secret, client: &http.Client{
		Timeout:   timeout,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, MaxConnsPerHost: maxAsking, IdleConnTimeout: time.Minute},
		// The secret goes to the configured address alone.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Check returns domain.ErrChallengeFailed unless a client at addr has solved the challenge whose response is given, and
// domain.ErrChallengeUnavailable if the provider does not say.
func (v *Verifier) Check(ctx context.Context, response string, addr netip.Addr) error {
	if response == "" {
		return domain.ErrChallengeFailed
	}
	form := url.Values{"secret": {v.secret}, "response": {response}}
	if addr.IsValid() {
		form.Set("remoteip", addr.String())
	}
	solved, err := v.ask(ctx, form)
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return domain.ErrChallengeUnavailable.WithCause(err)
	case !solved:
		return domain.ErrChallengeFailed
	}
	return nil
}

func (v *Verifier) ask(ctx context.Context, form url.Values) (solved bool, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, v.url, strings.NewReader(form.Encode()))
	if err != nil {
		return false, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	response, err := v.client.Do(request)
	if err != nil {
		return false, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return false, fmt.Errorf("the challenge provider responded with %s", response.Status)
	}
	var answer struct {
		Success *bool    `json:"success"`
		Errors  []string `json:"error-codes"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxResponse)).Decode(&answer); err != nil {
		return false, fmt.Errorf("the challenge provider: %w", err)
	}
	switch {
	case answer.Success == nil:
		return false, fmt.Errorf("the challenge provider's response has no success")
	case !*answer.Success && wrongSecret(answer.Errors):
		return false, fmt.Errorf("the challenge provider refuses the secret: %q", answer.Errors)
	}
	return *answer.Success, nil
}

// wrongSecret reports whether the fault is ours.
func wrongSecret(codes []string) bool {
	for _, code := range codes {
		if strings.HasSuffix(code, "-input-secret") || code == "internal-error" {
			return true
		}
	}
	return false
}
