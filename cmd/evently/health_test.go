package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth_PrintsTheResponse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health/live" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte(`{"status":"` + r.URL.Path + `"}`)) //nolint:gosec // not HTML
	}))
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	setting := []string{"PORT=" + port}

	if code, out, errOut := evently(t, "", setting, "health"); code != exitOK || out != `{"status":"/health/live"}`+"\n" {
		t.Errorf("live: exit code %d, %s%s", code, out, errOut)
	}
	code, out, errOut := evently(t, "", setting, "health", "--url", server.URL+"/health/ready")
	if code != exitFailure || !strings.Contains(out, "/health/ready") || !strings.Contains(errOut, "503") {
		t.Errorf("not ready: exit code %d, %s%s", code, out, errOut)
	}
	server.Close()
	if code, _, errOut := evently(t, "", setting, "health"); code != exitFailure || !strings.Contains(errOut, "refused") {
		t.Errorf("gone: exit code %d, %s", code, errOut)
	}
	if _, _, errOut := evently(t, "", append(setting, "LISTEN_ADDR=127.0.0.2"), "health"); !strings.Contains(errOut, "127.0.0.2") {
		t.Errorf("it does not ask LISTEN_ADDR: %s", errOut)
	}
}
