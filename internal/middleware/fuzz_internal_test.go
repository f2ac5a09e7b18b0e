package middleware

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"evently/internal/respond"
)

// FuzzHeaders checks that accepted headers can be logged, stored and sent back unchanged.
func FuzzHeaders(f *testing.F) {
	f.Add("10.0.0.1:80", "1.2.3.4, 10.0.0.2", "id-1", "Bearer a.b.c")
	f.Add("[::1]:80", "::ffff:1.2.3.4%eth0,,[::2]:9", "", "bearer  x")
	f.Add("@", "unknown", "a\r\nb", "Bearer")
	f.Add("10.0.0.1:80", "10.0.0.3", "é", "Basic eDp5")
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	f.Fuzz(func(t *testing.T, peer, forwarded, id, authorization string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
		r.RemoteAddr = peer
		r.Header = http.Header{
			"X-Forwarded-For": {forwarded}, "X-Request-Id": {id}, "Authorization": {authorization},
		}
		client, _ := Clients{Proxies: proxies}.clientAddr(r)
		direct := parseAddr(peer)
		if !isProxy(direct, proxies) && client != direct {
			t.Errorf("%q is trusted from %q, which is no proxy: %v", forwarded, peer, client)
		}
		if client.Zone() != "" || client.Is4In6() {
			t.Errorf("%q of %q is %v: one client has two names", forwarded, peer, client)
		}
		if acceptedRequestID.MatchString(id) && (id == "" || len(id) > 128 || strings.ContainsFunc(id, unprintable) || strings.Contains(id, " ")) {
			t.Errorf("the request id %q is accepted", id)
		}
		if token, ok := bearerToken(r.Header); ok && (token == "" || !strings.HasSuffix(authorization, token)) {
			t.Errorf("%q has the token %q", authorization, token)
		}
	})
}

func unprintable(c rune) bool { return c < ' ' || c > '~' }

// FuzzPeek checks that the handler reads the body unchanged after the limit has peeked, and that both see the same email.
func FuzzPeek(f *testing.F) {
	for _, body := range []string{
		"", "{}", `{"show_id":1,"seat_ids":[1]}`, `{"email":"a@b.example","email":2}`, `{"email":"a@b.example","password":"x"}`,
		`{"email":null}`, "\xff", "[", `{"email":"a@b.example"} `, `{"email":"a@b.example"}{}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(body))
		email := emailOf(r)
		if left, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(left, body) {
			t.Errorf("of %q the handler reads %q, %v", body, left, err)
		}
		var strict struct {
			Email string `json:"email"`
		}
		if len(body) > respond.MaxAuthBody || json.Unmarshal(body, &strict) != nil {
			return
		}
		if email != strict.Email {
			t.Errorf("%q has the email %q, but the limit sees %q", body, strict.Email, email)
		}
	})
}
