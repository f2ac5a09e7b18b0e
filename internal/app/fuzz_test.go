package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/testkit"
)

// FuzzRouter sends requests to the whole application without a token, as a user and as an admin. None
// makes it panic or respond with 500, and every error has the standard shape.
func FuzzRouter(f *testing.F) {
	// Fuzzing sends thousands of requests a second.
	b := openBoxOffice(f, "RATE_LIMIT_PER_MINUTE=1000000", "BOOKING_RATE_LIMIT_PER_MINUTE=1000000",
		"AUTH_RATE_LIMIT_PER_MINUTE=1000000")
	user := b.user(f)
	admin, err := b.Services().Tokens.Issue(domain.User{ID: testkit.NewUser(f, b.pool), Email: "a@b.example", Role: domain.RoleAdmin})
	if err != nil {
		f.Fatal(err)
	}
	tokens := []string{"", user, admin}
	handler := b.Handler()

	add := func(method, target, body string) { f.Add(method, target, "X-Any: thing", body, uint8(len(target))) }
	for _, target := range []string{
		"/", "/health", "/health/ready", "/api-docs/openapi.json", "/nope", "/api/v1/shows?limit=0", "/api/v1/shows?cursor=%00",
		"/api/v1/shows/search?venue=%25&time_range=,&availability=available", "/api/v1/shows/search?event=%ff;a", "/api/v1/shows/1",
		"/api/v1/shows/9223372036854775807/seats", "/api/v1/user/bookings?status=PENDING", "/api/v1/bookings/1", "/api/v1/admin/venues/1",
		"/api/v1/admin/analytics?days=30", "/api/v1/waiting-room/1", "/api/v1/admin/waiting-rooms/1",
	} {
		add("GET", target, "")
	}
	add("POST", "/api/v1/bookings/lock", `{"show_id":1,"seat_ids":[1,2]}`)
	add("POST", "/api/v1/bookings/payments/simulate", `{"booking_id":1,"amount":450,"outcome":"success"}`)
	add("POST", "/api/v1/bookings/1/confirm", `{"booking_id":1}`)
	add("POST", "/api/v1/bookings/1/cancel", "")
	add("POST", "/api/v1/auth/register", `{"email":"not one","password":"short"}`)
	add("POST", "/api/v1/admin/venues", `{"venue_name":"Hall","address":"1 Street"}`)
	add("POST", "/api/v1/admin/venues/1/seats", `{"seats":[{"seat_row":"Z","seat_number":2147483647}]}`)
	add("DELETE", "/api/v1/admin/venues/1/seats", `{"seats":[{"seat_row":"A","seat_number":1}]}`)
	add("POST", "/api/v1/admin/shows", `{"event_id":1,"venue_id":1,"start_time":"9999-12-31T23:59:59Z","end_time":"9999-12-31T23:59:59.9Z","price":99999999.99}`)
	add("PUT", "/api/v1/admin/shows/1", `{"price":1}`)
	add("PUT", "/api/v1/admin/waiting-rooms/1", `{"mode":"closed","batch_size":1}`)
	f.Add("POST", "/api/v1/bookings/lock", "Idempotency-Key: k\nContent-Type: application/json; charset=utf-8", `{"show_id":1,"seat_ids":[3]}`, uint8(1))
	f.Add("POST", "/api/v1/bookings/lock", "Idempotency-Key: a\nIdempotency-Key: b", `{}`, uint8(1))
	f.Add("GET", "/api/v1/shows/1/seats", `If-None-Match: W/"x", *`, "", uint8(0))
	f.Add("GET", "/api/v1/shows/1/seats", "Accept-Encoding: gzip;q=0, *;q=1", "", uint8(0))
	f.Add("OPTIONS", "/api/v1/shows", "Origin: null\nAccess-Control-Request-Method: PUT", "", uint8(0))
	f.Add("BREW", "//..//%2e", "X-Forwarded-For: 1.2.3.4, ::ffff:1\nX-Request-ID: \x7f\ntraceparent: 00-x", "\x00", uint8(2))
	f.Add("GET", "/api/v1/user/bookings", "Authorization: Bearer a.b.c\nAuthorization: Basic eDp5", "", uint8(0))

	f.Fuzz(func(t *testing.T, method, target, headers, body string, who uint8) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://evently.example", strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			return // not a request
		}
		if r.URL, err = r.URL.Parse("http://evently.example" + target); err != nil {
			return // not a URL
		}
		if strings.HasSuffix(r.URL.Path, "/events") && strings.Contains(r.URL.Path, "waiting-room") {
			return // an endless stream
		}
		r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "192.0.2.1:1234"
		r.Header.Set("Content-Type", "application/json")
		if token := tokens[int(who)%len(tokens)]; token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		for line := range strings.SplitSeq(headers, "\n") {
			name, value, _ := strings.Cut(line, ":")
			r.Header.Add(name, strings.TrimSpace(value))
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)

		if w.Code >= http.StatusInternalServerError && !strings.HasPrefix(r.URL.Path, "/health") {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		id := w.Header().Get("X-Request-ID")
		if id == "" {
			t.Error("no X-Request-ID")
		}
		if w.Code < http.StatusBadRequest || method == http.MethodHead {
			return
		}
		if w.Header().Get("Idempotency-Replayed") != "" {
			id = "" // the response of the first request
		}
		wantErrorBody(t, w.Code, id, w.Body.Bytes())
	})
}

// wantErrorBody fails the test unless body is that of an error. An id of "" is any.
func wantErrorBody(t *testing.T, status int, id string, body []byte) {
	t.Helper()
	var shape struct {
		Message   string `json:"message"`
		Code      string `json:"code"`
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &shape); err != nil || shape.Message == "" || shape.Code == "" || shape.RequestID == "" || id != "" && shape.RequestID != id {
		t.Errorf("status %d, request id %q, body %q: %v", status, id, body, err)
	}
}

// FuzzWire sends any bytes to the server. It responds with HTTP, never with 500, and closes the
// connection.
func FuzzWire(f *testing.F) {
	// Fuzzing sends thousands of requests a second.
	i := start(f, "HTTP_READ_TIMEOUT=2s", "HTTP_WRITE_TIMEOUT=5s",
		"RATE_LIMIT_PER_MINUTE=1000000", "AUTH_RATE_LIMIT_PER_MINUTE=1000000")
	for _, text := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /health HTTP/1.0\r\n\r\n", "GET /nope HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nExpect: more\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
		"GET http://a/%zz HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01", "GET / HTTP/9.9\r\n\r\n", "\r\n\r\n", "GET /\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		conn, err := dial(t, i.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		// It may close the connection before it has read everything, and then the response may be lost.
		_, _ = conn.Write(sent)
		_ = conn.(*net.TCPConn).CloseWrite()
		responses := bufio.NewReader(conn)
		for !bytes.Contains(sent, []byte("HEAD")) {
			resp, err := http.ReadResponse(responses, nil)
			var timeout net.Error
			switch {
			case errors.As(err, &timeout) && timeout.Timeout():
				t.Fatal("the connection stays open")
			case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
				return
			case err != nil:
				t.Fatalf("not HTTP: %v", err)
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return
			}
			if resp.StatusCode == http.StatusContinue || bytes.Contains(sent, []byte("/health")) {
				continue // health responses have a shape of their own
			}
			if s := resp.StatusCode; s >= 500 && s != http.StatusNotImplemented && s != http.StatusHTTPVersionNotSupported {
				t.Errorf("%d %s", s, body)
			}
			id := resp.Header.Get("X-Request-ID")
			if id == "" && resp.Close && resp.StatusCode >= http.StatusBadRequest {
				return // net/http refused what it cannot parse
			}
			if id == "" {
				t.Error("no X-Request-ID")
			}
			if resp.StatusCode >= http.StatusBadRequest {
				wantErrorBody(t, resp.StatusCode, id, body)
			}
		}
	})
}
