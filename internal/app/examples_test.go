package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"evently/api"
	"evently/internal/service"
)

// Users of the examples: the demo user, an admin, and the one whom the example of register creates.
const (
	adaEmail, adaPassword, adaNewPassword = "ada@example.com", "correct-horse-battery", "staple-under-the-stairs"
	rootEmail, rootPassword               = "root@example.com", "root-password"
)

// exampleOrder has every operation of the document, each after those that its example needs.
var exampleOrder = []string{
	"welcome", "health", "healthLive", "healthReady", "healthSchema",
	"listShows", "searchShows", "getShow", "getShowSeats",
	"login", "getMe", "lockSeats", "getBooking", "simulatePayment", "confirmBooking", "listUserBookings", "cancelBooking",
	"joinWaitingRoom", "getWaitingRoom", "streamWaitingRoom", "leaveWaitingRoom",
	"adminListVenues", "adminGetVenue", "adminUpdateVenue", "adminUpdateSeats", "adminCreateVenue", "adminAddSeats", "adminDeleteSeats", "adminDeleteVenue",
	"adminListEvents", "adminGetEvent", "adminUpdateEvent", "adminCreateEvent", "adminDeleteEvent",
	"adminCreateShow", "adminUpdateShow", "adminDeleteShow",
	"adminGetWaitingRoom", "adminUpdateWaitingRoom", "adminAnalytics",
	"register", "changePassword", "adminListUsers", "adminUpdateUser", "logout", "closeAccount",
}

// The document says that its examples work on new demo data.
func TestDocument_ExamplesWorkOnTheDemoData(t *testing.T) {
	t.Parallel()
	i := start(t, "ADMIN_EMAIL="+rootEmail, "ADMIN_PASSWORD="+rootPassword)
	if _, err := i.Services().Demo.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(api.YAML())
	if err != nil {
		t.Fatal(err)
	}
	type operation struct {
		*openapi3.Operation
		method, path string
	}
	operations := map[string]operation{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			operations[op.OperationID] = operation{op, method, path}
			if !slices.Contains(exampleOrder, op.OperationID) {
				t.Errorf("%s is not in the order", op.OperationID)
			}
		}
	}
	demo, root := i.login(t, service.DemoEmail, service.DemoPassword), i.login(t, rootEmail, rootPassword)
	for _, id := range exampleOrder {
		op, known := operations[id]
		if !known {
			t.Errorf("the document has no %s", id)
			continue
		}
		in := request{method: op.method, path: fillExamples(op.path, op.Parameters), token: demo, body: bodyExample(t, op.RequestBody)}
		switch {
		case op.Security != nil:
			in.token = "" // public
		case strings.HasPrefix(op.path, "/api/v1/admin/"):
			in.token = root
		case id == "changePassword":
			in.token = i.login(t, adaEmail, adaPassword)
		case id == "logout", id == "closeAccount": // a change of the role has ended her tokens
			in.token = i.login(t, adaEmail, adaNewPassword)
		}
		var success []int
		for status := range op.Responses.Map() {
			if code, err := strconv.Atoi(status); err == nil && code < 300 {
				success = append(success, code)
			}
		}
		var got int
		if id == "streamWaitingRoom" {
			got = i.open(t, in)
		} else {
			got = i.send(t, in).status
		}
		if len(success) != 1 || got != success[0] {
			t.Errorf("%s: %s %s: %d, want %d", id, in.method, in.path, got, success)
		}
	}
}

// fillExamples returns a path with the examples of its parameters, and those of the query.
func fillExamples(path string, parameters openapi3.Parameters) string {
	query := url.Values{}
	for _, p := range parameters {
		if p.Value.Example == nil {
			continue
		}
		text := fmt.Sprint(p.Value.Example)
		switch p.Value.In {
		case openapi3.ParameterInPath:
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", text)
		case openapi3.ParameterInQuery:
			query.Set(p.Value.Name, text)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

func bodyExample(t *testing.T, body *openapi3.RequestBodyRef) any {
	t.Helper()
	if body == nil {
		return nil
	}
	encoded, err := json.Marshal(body.Value.Content.Get("application/json").Example)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// open returns the status of a stream, which it leaves.
func (i *instance) open(t *testing.T, in request) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, in.method, i.url+in.path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+in.token)
	resp, err := i.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}
