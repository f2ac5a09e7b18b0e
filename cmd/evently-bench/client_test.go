package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestClient_SendsWhatNetHTTPUnderstands(t *testing.T) {
	type seen struct{ token, key, body, host string }
	var got seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = seen{r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key"), string(body), r.RemoteAddr}
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"booking_id":42,"amount":900}`)
	}))
	t.Cleanup(server.Close)

	c := newClient(strings.TrimPrefix(server.URL, "http://"), 300)
	t.Cleanup(c.close)
	for range 2 { // the second request reuses the connection
		body, err := c.expect(t.Context(), postOnce("/lock", "token", `{"show_id":1}`), http.StatusConflict)
		if err != nil || number(body, "booking_id") != 42 || number(body, "amount") != 900 {
			t.Fatalf("body = %s, %v", body, err)
		}
	}
	if got.token != "Bearer token" || got.body != `{"show_id":1}` || got.key == "" || !strings.HasPrefix(got.host, "127.0.2.51:") {
		t.Errorf("the server received %+v", got)
	}
	if _, err := c.expect(t.Context(), get("/lock", ""), http.StatusOK); err == nil {
		t.Error("expect returned no error for another status")
	}
}

func TestPostOnce_HasANewKeyEachTime(t *testing.T) {
	if bytes.Equal(postOnce("/", "", "{}"), postOnce("/", "", "{}")) {
		t.Error("two requests have the same Idempotency-Key")
	}
}

func TestNumber(t *testing.T) {
	for body, want := range map[string]int64{
		`{"id":7}`: 7, `{"id":7,"x":1}`: 7, `{"id":7.50}`: 7, `{"id":"7"}`: 0, `{"id":`: 0, `{}`: 0,
	} {
		if got := number([]byte(body), "id"); got != want {
			t.Errorf("number(%s) = %d, want %d", body, got, want)
		}
	}
}
