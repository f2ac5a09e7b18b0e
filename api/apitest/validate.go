package apitest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// ValidateResponse fails the test unless the document foresees this answer to this request:
//   - the operation exists; for a path or method that does not, the answer is the router's own
//     404 or 405 in the standard error shape, or a file of the documentation, which has no operations;
//   - the status is documented, the required headers are there, and the body has the
//     documented type and schema, without a field too many;
//   - the code of an error is among the examples of that status, and its request_id is the
//     X-Request-ID, but for a replay;
//   - a request that was accepted (2xx) is valid by the document.
//
// reqBody and body are the bytes that went over the wire, body after any Content-Encoding was
// undone. It may be called from several goroutines.
func ValidateResponse(t testing.TB, req *http.Request, reqBody []byte, resp *http.Response, body []byte) {
	t.Helper()
	if err := check(req, reqBody, resp, body); err != nil {
		t.Errorf("%s %s: %d is not as documented: %v\nbody: %.2000s", req.Method, req.URL.Path, resp.StatusCode, err, body)
	}
}

func check(req *http.Request, reqBody []byte, resp *http.Response, body []byte) error {
	route, params, err := findRoute(req)
	switch {
	case IsDocumentation(req.URL.Path):
		return checkDocumentation(resp, body)
	case errors.Is(err, routers.ErrPathNotFound):
		return checkRefusal(resp, body, http.StatusNotFound)
	case errors.Is(err, routers.ErrMethodNotAllowed):
		return checkRefusal(resp, body, http.StatusMethodNotAllowed)
	}

	documented := route.Operation.Responses.Status(resp.StatusCode)
	if documented == nil {
		return fmt.Errorf("this status is not in the document")
	}
	input := &openapi3filter.RequestValidationInput{
		Request:    withBody(req, reqBody),
		PathParams: params,
		Route:      route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
			SchemaValidationOptions: document().GetSchemaValidationOptions(),
			SkipSettingDefaults:     true,
		},
	}
	if resp.StatusCode < http.StatusMultipleChoices {
		if err := openapi3filter.ValidateRequest(req.Context(), input); err != nil {
			return fmt.Errorf("a request was accepted that the document refuses: %w", err)
		}
	}
	if err := checkAnswer(input, documented.Value, resp, body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return checkError(documented.Value, resp, body)
	}
	return nil
}

// withBody gives a copy of req that can be read again: the transport has drained the original.
func withBody(req *http.Request, body []byte) *http.Request {
	again := req.Clone(req.Context())
	again.Body = io.NopCloser(bytes.NewReader(body))
	again.ContentLength = int64(len(body))
	return again
}

func checkAnswer(input *openapi3filter.RequestValidationInput, documented *openapi3.Response, resp *http.Response, body []byte) error {
	// openapi3filter passes 304 unseen, so presence is checked here for every status.
	if err := checkHeaders(documented, resp); err != nil {
		return err
	}
	if len(documented.Content) == 0 {
		if len(body) > 0 {
			return fmt.Errorf("a body where the document has none")
		}
		return nil
	}
	contentType := resp.Header.Get("Content-Type")
	if documented.Content.Get(contentType) == nil {
		return fmt.Errorf("the document does not have the Content-Type %q", contentType)
	}
	if mediaType, _, _ := mime.ParseMediaType(contentType); mediaType == "text/event-stream" {
		return checkEvents(documented.Content.Get(contentType).Schema.Value, body)
	}
	options := *input.Options
	options.ExcludeResponseBody = !isJSON(contentType) // pages, scripts and images have no schema
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input,
		Status:                 resp.StatusCode,
		Header:                 resp.Header,
		Options:                &options,
	}
	output.SetBodyBytes(body)
	return openapi3filter.ValidateResponse(input.Request.Context(), output)
}

func checkHeaders(documented *openapi3.Response, resp *http.Response) error {
	for name, header := range documented.Headers {
		if header.Value.Required && resp.Header.Get(name) == "" {
			return fmt.Errorf("the header %s is missing", name)
		}
	}
	return nil
}

// checkEvents holds the data of every Server-Sent Event in body against schema.
func checkEvents(schema *openapi3.Schema, body []byte) error {
	for line := range bytes.Lines(body) {
		data, found := bytes.CutPrefix(line, []byte("data:"))
		if !found {
			continue
		}
		var value any
		if err := json.Unmarshal(data, &value); err != nil {
			return fmt.Errorf("read the data of an event: %w", err)
		}
		if err := schema.VisitJSON(value, openapi3.VisitAsResponse()); err != nil {
			return fmt.Errorf("the data of an event: %w", err)
		}
	}
	return nil
}

func isJSON(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && mediaType == "application/json"
}

// errorBody is what every error has in common.
type errorBody struct {
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
}

// checkError holds the code of an error against the examples of its answer: they are the list
// of codes that a client has to expect there. Health documents are no errors and have no code.
func checkError(documented *openapi3.Response, resp *http.Response, body []byte) error {
	var got errorBody
	if err := json.Unmarshal(body, &got); err != nil {
		return fmt.Errorf("read the error: %w", err)
	}
	codes := exampleCodes(documented)
	if len(codes) == 0 {
		return nil
	}
	if !slices.Contains(codes, got.Code) {
		return fmt.Errorf("the code %q is not among the documented examples %q", got.Code, codes)
	}
	return checkRequestID(resp, got)
}

// checkRequestID passes a replay, which names the request that it repeats, byte for byte.
func checkRequestID(resp *http.Response, got errorBody) error {
	if resp.Header.Get("Idempotency-Replayed") == "true" {
		return nil
	}
	if id := resp.Header.Get("X-Request-ID"); got.RequestID != id {
		return fmt.Errorf("request_id is %q, but X-Request-ID is %q", got.RequestID, id)
	}
	return nil
}

// exampleCodes gives the codes of the examples of an answer, sorted.
func exampleCodes(documented *openapi3.Response) []string {
	var codes []string
	for _, example := range documented.Content.Get("application/json").Examples {
		if value, ok := example.Value.Value.(map[string]any); ok {
			if code, ok := value["code"].(string); ok {
				codes = append(codes, code)
			}
		}
	}
	slices.Sort(codes)
	return codes
}

// checkDocumentation checks an answer of the documentation: a file, or an error of those that any path may have.
func checkDocumentation(resp *http.Response, body []byte) error {
	if resp.StatusCode < http.StatusBadRequest {
		return nil
	}
	return checkRefusal(resp, body, resp.StatusCode)
}

// refusals are the errors that any path may have, by their names among the document's responses.
var refusals = map[int]string{
	http.StatusNotFound:            "RouteNotFound",
	http.StatusMethodNotAllowed:    "MethodNotAllowed",
	http.StatusTooManyRequests:     "TooManyRequests",
	http.StatusInternalServerError: "InternalError",
}

// checkRefusal checks the answer to a request that no operation takes.
func checkRefusal(resp *http.Response, body []byte, status int) error {
	documented := document().Components.Responses[refusals[status]]
	if resp.StatusCode != status || documented == nil {
		return fmt.Errorf("the document has no such route: %d is the answer to that", status)
	}
	if err := checkHeaders(documented.Value, resp); err != nil {
		return err
	}
	if !isJSON(resp.Header.Get("Content-Type")) {
		return fmt.Errorf("the Content-Type is %q", resp.Header.Get("Content-Type"))
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return fmt.Errorf("read the error: %w", err)
	}
	schema := documented.Value.Content.Get("application/json").Schema.Value
	if err := schema.VisitJSON(value, openapi3.VisitAsResponse()); err != nil {
		return err
	}
	return checkError(documented.Value, resp, body)
}
