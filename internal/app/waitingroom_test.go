package app_test

import (
	"bufio"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evently/api/apitest"
)

func (b *boxOffice) room(t testing.TB, token, method, action string) response {
	t.Helper()
	return b.send(t, request{method: method, path: fmt.Sprintf("/api/v1/waiting-room/%d%s", b.show, action), token: token})
}

func (b *boxOffice) events(t testing.TB, token string) *bufio.Scanner {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		fmt.Sprintf("%s/api/v1/waiting-room/%d/events", b.url, b.show), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("the stream: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return bufio.NewScanner(resp.Body)
}

func awaitEvent(t testing.TB, lines *bufio.Scanner, text string) {
	t.Helper()
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") && strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("the stream ended before %s: %v", text, lines.Err())
}

// readBlocks reads the blocks of a stream up to one that contains text.
func readBlocks(t testing.TB, stream *bufio.Reader, text string) []string {
	t.Helper()
	var blocks []string
	for block := ""; ; {
		line, err := stream.ReadString('\n')
		if err != nil {
			t.Fatalf("the stream ended before %s: %v", text, err)
		}
		if line != "\n" {
			block += line
			continue
		}
		blocks = append(blocks, block)
		if strings.Contains(block, text) {
			return blocks
		}
		block = ""
	}
}

func TestWaitingRoom_StreamIsAsDocumented(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "MAX_CONCURRENT_USERS=1")
	first, second := b.user(t), b.user(t)
	b.room(t, first, http.MethodPost, "/join").want(t, http.StatusOK, "")
	b.room(t, second, http.MethodPost, "/join").want(t, http.StatusOK, "")

	open := func(lastID string) (*http.Request, *http.Response) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, fmt.Sprintf("%s/api/v1/waiting-room/%d/events", b.url, b.show), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+second)
		if lastID != "" {
			req.Header.Set("Last-Event-ID", lastID)
		}
		resp, err := b.client.Do(req) //nolint:bodyclose // below
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return req, resp
	}
	req, resp := open("")
	stream := bufio.NewReader(resp.Body)
	blocks := readBlocks(t, stream, `"status":"waiting"`)
	b.room(t, first, http.MethodDelete, "").want(t, http.StatusNoContent, "")
	blocks = append(blocks, readBlocks(t, stream, `"status":"admitted"`)...)
	apitest.ValidateResponse(t, req, nil, resp, []byte(strings.Join(blocks, "\n")))
	event := regexp.MustCompile(`^(retry: [1-5]\d{3}\n)?event: status\nid: (\d+)\ndata: \{.*\}\n$`)
	events := 0
	for _, block := range blocks {
		if strings.HasPrefix(block, ":") {
			continue
		}
		events++
		parts := event.FindStringSubmatch(block)
		if parts == nil || parts[2] != strconv.Itoa(events) || (parts[1] != "") != (events == 1) {
			t.Errorf("event %d: %q", events, block)
		}
	}
	if !strings.HasPrefix(blocks[0], "retry: ") {
		t.Errorf("the stream begins with %q", blocks[0])
	}

	_, again := open("2")
	if begin := readBlocks(t, bufio.NewReader(again.Body), "event: ")[0]; !strings.Contains(begin, `"status":"admitted"`) {
		t.Errorf("a stream that is resumed begins with %q", begin)
	}
}

func TestWaitingRoom_GuardsTheLock(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "MAX_CONCURRENT_USERS=1")
	first, second, third := b.user(t), b.user(t), b.user(t)

	booking := b.hold(t, first, b.seats[0])
	wait := b.lock(t, second, b.seats[1]).want(t, http.StatusTooManyRequests, "waiting_room")
	if wait.body["position"] != 1.0 || wait.body["users_ahead"] != 0.0 || wait.header.Get("Retry-After") == "" ||
		wait.body["status_url"] != fmt.Sprintf("/api/v1/waiting-room/%d", b.show) {
		t.Errorf("response %s", wait.raw)
	}
	if joined := b.room(t, third, http.MethodPost, "/join").want(t, http.StatusOK, ""); joined.body["position"] != 2.0 {
		t.Errorf("third user: %s", joined.raw)
	}
	if again := b.lock(t, second, b.seats[1]).want(t, http.StatusTooManyRequests, "waiting_room"); again.body["position"] != 1.0 ||
		again.body["token"] != wait.body["token"] {
		t.Errorf("a repeat changed the place: %s", again.raw)
	}
	stream := b.events(t, second)
	awaitEvent(t, stream, `"status":"waiting"`)
	if n := b.lock(t, first, b.seats[2]).want(t, http.StatusOK, ""); n.body["booking_id"] == float64(booking) {
		t.Error("an admitted user has no second booking")
	}

	b.pay(t, first, booking, 450).want(t, http.StatusOK, "")
	b.confirm(t, first, booking).want(t, http.StatusOK, "")
	awaitEvent(t, stream, `"status":"admitted"`)
	b.lock(t, first, b.seats[3]).want(t, http.StatusTooManyRequests, "waiting_room")
	b.lock(t, second, b.seats[1]).want(t, http.StatusOK, "")
	if status := b.room(t, third, http.MethodGet, "").want(t, http.StatusOK, ""); status.body["position"] != 1.0 {
		t.Errorf("third user: %s", status.raw)
	}

	b.room(t, second, http.MethodDelete, "").want(t, http.StatusNoContent, "")
	awaitEvent(t, b.events(t, third), `"status":"admitted"`)
	b.audit(t)
}

func TestWaitingRoom_SettingsOfOneShow(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	admin, user := b.admin(t), b.user(t)
	path := fmt.Sprintf("/api/v1/admin/waiting-rooms/%d", b.show)
	put := func(body string) request {
		return request{method: http.MethodPut, path: path, token: admin, body: body}
	}
	view := b.send(t, request{path: path, token: admin}).want(t, http.StatusOK, "")
	if view.body["mode"] != "auto" || view.body["max_concurrent_users"] != 500.0 || view.body["batch_size"] != 50.0 {
		t.Errorf("defaults: %s", view.raw)
	}
	b.send(t, put(`{"mode":"closed"}`)).want(t, http.StatusOK, "")
	b.lock(t, user, b.seats[0]).want(t, http.StatusTooManyRequests, "waiting_room")
	b.send(t, put(`{"mode":"passthrough"}`)).want(t, http.StatusOK, "")
	b.lock(t, user, b.seats[0]).want(t, http.StatusOK, "")
	b.send(t, put(`{"mode":null,"max_concurrent_users":7}`)).want(t, http.StatusOK, "")
	b.send(t, put(`{}`)).want(t, http.StatusBadRequest, "validation_failed")
	b.send(t, put(`{"mode":"open"}`)).want(t, http.StatusBadRequest, "validation_failed")
	b.send(t, put(`{"batch_size":0}`)).want(t, http.StatusBadRequest, "validation_failed")
	b.send(t, request{path: path, token: user}).want(t, http.StatusForbidden, "forbidden")
	b.send(t, request{path: "/api/v1/admin/waiting-rooms/9223372036854775807", token: admin}).
		want(t, http.StatusNotFound, "show_not_found")
}

func TestWaitingRoom_WithoutRedis(t *testing.T) {
	t.Parallel()
	open := openBoxOffice(t, "REDIS_URL=redis://127.0.0.1:1/0")
	open.hold(t, open.user(t), open.seats[0])
	closed := openBoxOffice(t, "REDIS_URL=redis://127.0.0.1:1/0", "WAITING_ROOM_ON_ERROR=closed")
	refused := closed.lock(t, closed.user(t), closed.seats[0]).want(t, http.StatusServiceUnavailable, "waiting_room_unavailable")
	if refused.header.Get("Retry-After") == "" {
		t.Error("Retry-After is missing")
	}
}

func TestWaitingRoom_UnknownShowIsNotFound(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t)
	user := b.user(t)
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		b.send(t, request{method: method, path: "/api/v1/waiting-room/9223372036854775807", token: user}).
			want(t, http.StatusNotFound, "show_not_found")
	}
	b.send(t, request{method: http.MethodPost, path: "/api/v1/waiting-room/9223372036854775807/join", token: user}).
		want(t, http.StatusNotFound, "show_not_found")
	b.send(t, request{method: http.MethodPost, path: "/api/v1/bookings/lock", token: user,
		body: map[string]any{"show_id": int64(1) << 62, "seat_ids": b.seats[:1]}}).want(t, http.StatusNotFound, "show_not_found")
	for _, key := range b.redis(t).Keys(t.Context(), "wr:*").Val() {
		t.Errorf("%s is in Redis", key)
	}
}

func TestStreams_AreLimitedByUserAndAddress(t *testing.T) {
	t.Parallel()
	b := openBoxOffice(t, "STREAMS_PER_USER=1", "STREAMS_PER_ADDRESS=2", "TRUSTED_PROXIES=127.0.0.1")
	stream := func(token string) request {
		return request{path: fmt.Sprintf("/api/v1/waiting-room/%d/events", b.show), token: token}
	}
	tokens := []string{b.user(t), b.user(t), b.user(t)}
	b.events(t, tokens[0])
	got := b.send(t, stream(tokens[0])).want(t, http.StatusTooManyRequests, "too_many_streams")
	if got.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.events(t, tokens[1])
	b.send(t, stream(tokens[2])).want(t, http.StatusTooManyRequests, "too_many_streams")
}
