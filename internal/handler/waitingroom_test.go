package handler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/testkit"
	"evently/internal/waitingroom"
)

func TestWaitingRoom_JoinAskLeave(t *testing.T) {
	t.Parallel()
	s := setupRooms(t)
	a := s.instance(t, waitingroom.HubOptions{})
	path := fmt.Sprintf("/waiting-room/%d", s.show)
	show := float64(s.show)

	none := map[string]any{
		"show_id": show, "status": "none", "token": nil, "position": nil, "users_ahead": nil,
		"estimated_wait_seconds": nil, "refresh_interval_seconds": 3.0, "admitted_until": nil,
	}
	if diff := cmp.Diff(none, a.call(t, 1, "GET", path, "", 200)); diff != "" {
		t.Errorf("none (-want +got):\n%s", diff)
	}
	admitted := a.call(t, 1, "POST", path+"/join", "", 200)
	if until, err := time.Parse(time.RFC3339, fmt.Sprint(admitted["admitted_until"])); err != nil || until.Location() != time.UTC {
		t.Errorf("admitted_until is %v, %v", admitted["admitted_until"], err)
	}
	admitted["admitted_until"] = nil
	want := map[string]any{}
	for k, v := range none {
		want[k] = v
	}
	want["status"] = "admitted"
	if diff := cmp.Diff(want, admitted); diff != "" {
		t.Errorf("admitted (-want +got):\n%s", diff)
	}
	waiting := a.call(t, 2, "POST", path+"/join", "{}", 200)
	token := waiting["token"]
	want["status"], want["token"], want["position"], want["users_ahead"] = "waiting", token, 1.0, 0.0
	if diff := cmp.Diff(want, waiting); diff != "" || token == nil {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, a.call(t, 2, "GET", path, "", 200)); diff != "" {
		t.Errorf("asking (-want +got):\n%s", diff)
	}
	view := a.call(t, 9, "GET", fmt.Sprintf("/admin/%d", s.show), "", 200)
	wantView := map[string]any{
		"show_id": show, "mode": "auto", "max_concurrent_users": 1.0, "batch_size": 5.0, "waiting": 1.0, "away": 0.0,
		"admitted": 1.0, "admitted_last_minute": 1.0, "oldest_wait_seconds": 0.0,
	}
	if diff := cmp.Diff(wantView, view); diff != "" {
		t.Errorf("view (-want +got):\n%s", diff)
	}
	for range 2 {
		a.call(t, 2, "DELETE", path, "", 204)
	}
	if got := a.call(t, 2, "GET", path, "", 200); got["status"] != "none" {
		t.Errorf("after leaving: %v", got)
	}

	for _, request := range []string{"GET " + "/waiting-room/%d", "POST /waiting-room/%d/join", "DELETE /waiting-room/%d", "GET /waiting-room/%d/events", "GET /admin/%d"} {
		method, pattern, _ := strings.Cut(request, " ")
		if got := a.call(t, 1, method, fmt.Sprintf(pattern, s.show+1), "", 404); got["code"] != "show_not_found" {
			t.Errorf("%s of an unknown show: %v", request, got)
		}
		if got := a.call(t, 1, method, fmt.Sprintf(pattern, 0), "", 400); got["code"] != "invalid_parameter" {
			t.Errorf("%s of show 0: %v", request, got)
		}
	}
	if keys := s.client.Keys(t.Context(), fmt.Sprintf("*{%d}*", s.show+1)).Val(); len(keys) > 0 {
		t.Errorf("an unknown show has keys: %v", keys)
	}
}

func TestWaitingRoom_Configure(t *testing.T) {
	t.Parallel()
	s := setupRooms(t)
	a := s.instance(t, waitingroom.HubOptions{})
	path := fmt.Sprintf("/admin/%d", s.show)
	settings := func(answer map[string]any) []any {
		return []any{answer["mode"], answer["max_concurrent_users"], answer["batch_size"]}
	}
	for _, step := range []struct {
		body string
		want []any
	}{
		{`{"max_concurrent_users": 7}`, []any{"auto", 7.0, 5.0}},
		{`{"mode": "closed", "batch_size": 10000}`, []any{"closed", 7.0, 10000.0}},
		{`{"max_concurrent_users": null, "mode": null}`, []any{"auto", 1.0, 10000.0}},
	} {
		if diff := cmp.Diff(step.want, settings(a.call(t, 9, "PUT", path, step.body, 200))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.body, diff)
		}
		if diff := cmp.Diff(step.want, settings(a.call(t, 9, "GET", path, "", 200))); diff != "" {
			t.Errorf("%s, read (-want +got):\n%s", step.body, diff)
		}
	}
	s.client.FlushDB(t.Context())
	if diff := cmp.Diff([]any{"auto", 1.0, 10000.0}, settings(a.call(t, 9, "GET", path, "", 200))); diff != "" {
		t.Errorf("after a flush (-want +got):\n%s", diff)
	}
	for body, field := range map[string]string{
		`{}`:                                "mode: ",
		`{"mode": "open"}`:                  "mode: ",
		`{"mode": 3}`:                       "mode: ",
		`{"max_concurrent_users": 0}`:       "max_concurrent_users: ",
		`{"max_concurrent_users": 1000001}`: "max_concurrent_users: ",
		`{"max_concurrent_users": "7"}`:     "max_concurrent_users: ",
		`{"max_concurrent_users": 1.5}`:     "max_concurrent_users: ",
		`{"batch_size": 0}`:                 "batch_size: ",
		`{"batch_size": 10001}`:             "batch_size: ",
		`{"cap": 3}`:                        "cap: ",
	} {
		answer := a.call(t, 9, "PUT", path, body, 400)
		if details, _ := answer["details"].([]any); len(details) != 1 || !strings.HasPrefix(fmt.Sprint(details[0]), field) {
			t.Errorf("%s: %v", body, answer)
		}
	}
	if got := a.call(t, 9, "PUT", fmt.Sprintf("/admin/%d", s.show+1), `{"batch_size": 1}`, 404); got["code"] != "show_not_found" {
		t.Errorf("an unknown show: %v", got)
	}
}

func TestWaitingRoomEvents_EveryChange(t *testing.T) {
	t.Parallel()
	s := setupRooms(t)
	a := s.instance(t, waitingroom.HubOptions{Heartbeat: 3 * time.Second})
	path := fmt.Sprintf("/waiting-room/%d", s.show)
	stream := a.listen(t, 2, s.show)
	if event, _ := stream.next(); event["status"] != "none" || len(event) != 8 {
		t.Fatalf("on connect: %v", event)
	}
	a.call(t, 1, "POST", path+"/join", "", 200)
	a.call(t, 2, "POST", path+"/join", "", 200)
	if event := stream.until("waiting"); event["position"] != 1.0 {
		t.Fatalf("after joining: %v", event)
	}
	a.call(t, 1, "DELETE", path, "", 204)
	if _, err := a.Tick(t.Context(), s.show); err != nil {
		t.Fatal(err)
	}
	stream.until("admitted")
	if err := a.End(t.Context(), s.show, 2, time.Now()); err != nil {
		t.Fatal(err)
	}
	stream.until("none")

	// The next change comes after heartbeats, and after the timeouts of requests.
	second := a.listen(t, 3, s.show)
	second.until("none")
	for second.beats == 0 {
		if !second.lines.Scan() {
			t.Fatalf("the stream ended before a heartbeat: %v", second.lines.Err())
		}
		if strings.HasPrefix(second.lines.Text(), ":") {
			second.beats++
		}
	}
	a.call(t, 3, "POST", path+"/join", "", 200)
	second.until("admitted")
}

func TestWaitingRoomEvents_PlaceSurvivesTheInstance(t *testing.T) {
	t.Parallel()
	s := setupRooms(t)
	one, two := s.instance(t, waitingroom.HubOptions{}), s.instance(t, waitingroom.HubOptions{})
	path := fmt.Sprintf("/waiting-room/%d", s.show)
	one.call(t, 1, "POST", path+"/join", "", 200)
	one.call(t, 2, "POST", path+"/join", "", 200)
	before := one.listen(t, 2, s.show)
	first := before.until("waiting")
	one.call(t, 3, "POST", path+"/join", "", 200)

	one.stop() // drains
	if event, ok := before.next(); ok {
		t.Fatalf("a draining instance sent %v", event)
	}
	one.call(t, 2, "GET", path+"/events", "", 503)

	after := two.listen(t, 2, s.show)
	if diff := cmp.Diff(first, after.until("waiting")); diff != "" {
		t.Fatalf("on the other instance (-before +after):\n%s", diff)
	}
	two.call(t, 1, "DELETE", path, "", 204)
	if _, err := two.Tick(t.Context(), s.show); err != nil {
		t.Fatal(err)
	}
	after.until("admitted")
}

func TestWaitingRoomEvents_Limits(t *testing.T) {
	t.Parallel()
	s := setupRooms(t)
	a := s.instance(t, waitingroom.HubOptions{MaxStreams: 3, MaxStreamsPerUser: 2})
	path := fmt.Sprintf("/waiting-room/%d/events", s.show)
	first := a.listen(t, 1, s.show)
	a.listen(t, 1, s.show)
	if got := a.call(t, 1, "GET", path, "", 429); got["code"] != "too_many_streams" {
		t.Errorf("the third stream of a user: %v", got)
	}
	a.listen(t, 2, s.show)
	if got := a.call(t, 3, "GET", path, "", 503); got["code"] != "overloaded" {
		t.Errorf("the fourth stream of the instance: %v", got)
	}
	// A stream that has ended makes room once the server notices that its connection is closed.
	first.stopped()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(30 * time.Second)
	for {
		_, stop, err := a.hub.Watch(t.Context(), s.show, 3)
		if err == nil {
			stop()
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("after a stream has ended: %v", err)
		}
	}
}

// A deleted show has no room at once, and its streams end.
func TestWaitingRoomEvents_DeletedShow(t *testing.T) {
	t.Parallel()
	s := setupRooms(t)
	one, two := s.instance(t, waitingroom.HubOptions{}), s.instance(t, waitingroom.HubOptions{})
	path := fmt.Sprintf("/waiting-room/%d", s.show)
	one.call(t, 1, "POST", path+"/join", "", 200)
	streams := []*events{one.listen(t, 1, s.show), two.listen(t, 2, s.show)}
	streams[0].until("admitted")
	streams[1].until("none")
	testkit.Exec(t, s.pool, `DELETE FROM show_seats`)
	testkit.Exec(t, s.pool, `DELETE FROM shows`)
	if err := one.Close(t.Context(), s.show); err != nil {
		t.Fatal(err)
	}
	for i, stream := range streams {
		for open := true; open; {
			_, open = stream.next()
		}
		t.Logf("stream %d has ended", i)
	}
	for _, a := range []*roomAPI{one, two} {
		for _, request := range []string{"GET ", "DELETE ", "POST /join", "GET /events"} {
			method, route, _ := strings.Cut(request, " ")
			if got := a.call(t, 1, method, path+route, "", 404); got["code"] != "show_not_found" {
				t.Errorf("%s: %v", request, got)
			}
		}
	}
}
