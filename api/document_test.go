package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"evently/api"
)

func load(t *testing.T, source []byte) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(source)
	if err != nil {
		t.Fatalf("load the document: %v", err)
	}
	return doc
}

// operation is one operation of the document and where it stands.
type operation struct {
	*openapi3.Operation
	name   string // "GET /path"
	path   string
	method string
}

func operations(doc *openapi3.T) []operation {
	var all []operation
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			all = append(all, operation{op, method + " " + path, path, method})
		}
	}
	slices.SortFunc(all, func(a, b operation) int { return strings.Compare(a.name, b.name) })
	return all
}

func (op operation) statuses() []int {
	var all []int
	for status := range op.Responses.Map() {
		code, err := strconv.Atoi(status)
		if err != nil {
			code = 0 // "default" or a range: never what we mean, and the tests say so
		}
		all = append(all, code)
	}
	slices.Sort(all)
	return all
}

func (op operation) response(status int) *openapi3.Response {
	return op.Responses.Status(status).Value
}

func (op operation) public() bool { return op.Security != nil && len(*op.Security) == 0 }

// isHealth reports whether op tells the state of the service. Its 503 is that state, not an error.
func (op operation) isHealth() bool { return strings.HasPrefix(op.path, "/health") }

func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	doc := load(t, api.YAML())
	err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation(), openapi3.EnableMultiError(),
		openapi3.EnableSchemaDefaultsValidation(), openapi3.EnableSchemaPatternValidation())
	if err != nil {
		t.Error(err)
	}
}

func TestJSONIsTheSameDocument(t *testing.T) {
	t.Parallel()
	asJSON, err := api.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want, err := load(t, api.YAML()).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	got, err := load(t, asJSON).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var wantTree, gotTree any
	if err := json.Unmarshal(want, &wantTree); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &gotTree); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantTree, gotTree); diff != "" {
		t.Errorf("YAML and JSON differ (-YAML +JSON):\n%s", diff)
	}
}

func TestDocumentCannotBeChangedByItsReaders(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func() ([]byte, error){
		"YAML": func() ([]byte, error) { return api.YAML(), nil },
		"JSON": api.JSON,
	} {
		first, err := read()
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(first)
		first[0] = 'X'
		if second, _ := read(); !bytes.Equal(second, before) {
			t.Errorf("%s: one reader's change reached the next", name)
		}
	}
}

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	doc := load(t, api.YAML())
	for _, op := range operations(doc) {
		if op.OperationID == "" || op.Summary == "" || op.Description == "" {
			t.Errorf("%s: operationId, summary and description are all needed", op.name)
		}
		if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
			t.Errorf("%s: wants one tag of the document's list, has %q", op.name, op.Tags)
		}
		if !slices.ContainsFunc(op.statuses(), func(s int) bool { return s >= 200 && s < 400 }) {
			t.Errorf("%s: has no answer for success", op.name)
		}
		for _, p := range op.Parameters {
			if p.Value.Description == "" {
				t.Errorf("%s: parameter %s has no description", op.name, p.Value.Name)
			}
		}
	}
}

// Any route can be refused in some ways, which follow from what it takes and who may use it.
func TestEveryOperationHasItsErrors(t *testing.T) {
	t.Parallel()
	for _, op := range operations(load(t, api.YAML())) {
		want := []int{500}
		isAPI := strings.HasPrefix(op.path, "/api/v1/")
		if isAPI {
			want = append(want, 429, 503)
		}
		if !op.public() {
			want = append(want, 401)
		}
		if strings.HasPrefix(op.path, "/api/v1/admin/") {
			want = append(want, 403)
			if op.public() {
				t.Errorf("%s: an admin route is public", op.name)
			}
		}
		if op.RequestBody != nil {
			want = append(want, 400, 413, 415)
		}
		if isAPI && len(op.Parameters) > 0 {
			want = append(want, 400)
		}
		if isAPI && strings.Contains(op.path, "{") {
			want = append(want, 404)
		}
		if op.isHealth() {
			want = append(want, 404, 405)
		}
		have := op.statuses()
		for _, status := range want {
			if !slices.Contains(have, status) {
				t.Errorf("%s: has no %d", op.name, status)
			}
		}
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	for _, op := range operations(load(t, api.YAML())) {
		for _, status := range op.statuses() {
			want := []string{"X-Request-ID"}
			switch status {
			case 401:
				want = append(want, "WWW-Authenticate")
			case 429, 503:
				want = append(want, "Retry-After")
			case 304:
				want = append(want, "ETag")
			}
			if strings.HasPrefix(op.path, "/api/v1/") && (status < 400 || status == 429) {
				// Not required: a limit can be switched off.
				for _, name := range []string{"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"} {
					if op.response(status).Headers[name] == nil {
						t.Errorf("%s: %d lacks the header %s", op.name, status, name)
					}
				}
			}
			for _, name := range want {
				header := op.response(status).Headers[name]
				if header == nil || !header.Value.Required {
					t.Errorf("%s: %d does not require the header %s", op.name, status, name)
				}
			}
		}
	}
}

// visit calls f for schema and everything inside it, each with the path that leads there.
func visit(path string, schema *openapi3.SchemaRef, seen map[*openapi3.Schema]bool, f func(string, *openapi3.Schema)) {
	if schema == nil || seen[schema.Value] {
		return
	}
	seen[schema.Value] = true
	f(path, schema.Value)
	for name, property := range schema.Value.Properties {
		visit(path+"."+name, property, seen, f)
	}
	visit(path+"[]", schema.Value.Items, seen, f)
	visit(path+".*", schema.Value.AdditionalProperties.Schema, seen, f)
	for _, group := range []openapi3.SchemaRefs{schema.Value.OneOf, schema.Value.AnyOf, schema.Value.AllOf} {
		for i, part := range group {
			visit(fmt.Sprintf("%s(%d)", path, i), part, seen, f)
		}
	}
}

// bodies gives the content of every request body and every answer, by where it stands.
func bodies(doc *openapi3.T) (requests, answers map[string]*openapi3.MediaType) {
	requests, answers = map[string]*openapi3.MediaType{}, map[string]*openapi3.MediaType{}
	for _, op := range operations(doc) {
		if op.RequestBody != nil {
			for mediaType, media := range op.RequestBody.Value.Content {
				requests[op.name+" "+mediaType] = media
			}
		}
		for _, status := range op.statuses() {
			for mediaType, media := range op.response(status).Content {
				answers[fmt.Sprintf("%s %d %s", op.name, status, mediaType)] = media
			}
		}
	}
	return requests, answers
}

func TestObjectsAreClosedOrSaySo(t *testing.T) {
	t.Parallel()
	doc := load(t, api.YAML())
	check := func(path string, schema *openapi3.Schema) {
		if schema.Type.Is(openapi3.TypeObject) && schema.AdditionalProperties.Has == nil && schema.AdditionalProperties.Schema == nil {
			t.Errorf("%s: additionalProperties is not set", path)
		}
		if schema.Type == nil && len(schema.OneOf) == 0 {
			t.Errorf("%s: has no type", path)
		}
		for _, name := range schema.Required {
			if schema.Properties[name] == nil {
				t.Errorf("%s: requires %s, which it does not have", path, name)
			}
		}
	}
	seen := map[*openapi3.Schema]bool{}
	for name, schema := range doc.Components.Schemas {
		visit(name, schema, seen, check)
	}
	requests, answers := bodies(doc)
	for _, group := range []map[string]*openapi3.MediaType{requests, answers} {
		for name, media := range group {
			visit(name, media.Schema, seen, check)
		}
	}
}

// What a client may send is bounded: strings, lists and numbers.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	doc := load(t, api.YAML())
	seen := map[*openapi3.Schema]bool{}
	check := func(path string, schema *openapi3.Schema) {
		switch {
		case schema.Type.Is(openapi3.TypeObject):
			if has := schema.AdditionalProperties.Has; has == nil || *has {
				t.Errorf("%s: takes unknown fields", path)
			}
		case schema.Type.Is(openapi3.TypeArray):
			if schema.MaxItems == nil {
				t.Errorf("%s: has no maxItems", path)
			}
		case schema.Type.Is(openapi3.TypeString):
			if schema.MaxLength == nil && len(schema.Enum) == 0 && schema.Format != "date-time" {
				t.Errorf("%s: has no maxLength", path)
			}
		case schema.Type.Is(openapi3.TypeInteger), schema.Type.Is(openapi3.TypeNumber):
			if schema.Min == nil || (schema.Max == nil && schema.Format != "int64" && schema.Format != "int32") {
				t.Errorf("%s: has no bounds", path)
			}
		}
	}
	requests, _ := bodies(doc)
	for name, media := range requests {
		visit(name, media.Schema, seen, check)
	}
	for _, op := range operations(doc) {
		for _, p := range op.Parameters {
			visit(op.name+" "+p.Value.Name, p.Value.Schema, seen, check)
		}
	}
}

func TestEveryBodyHasExamples(t *testing.T) {
	t.Parallel()
	requests, answers := bodies(load(t, api.YAML()))
	for _, group := range []map[string]*openapi3.MediaType{requests, answers} {
		for name, media := range group {
			if media.Example == nil && len(media.Examples) == 0 {
				t.Errorf("%s: has no example", name)
			}
		}
	}
}

func TestIDsInPathsNameTheirObject(t *testing.T) {
	t.Parallel()
	named := regexp.MustCompile(`^\{(\w+)_id\}$`)
	for path := range load(t, api.YAML()).Paths.Map() {
		segments := strings.Split(path, "/")
		for i, segment := range segments {
			if !strings.Contains(segment, "{") {
				continue
			}
			name := named.FindStringSubmatch(segment)
			// The waiting room is a show's.
			roomOfShow := name != nil && name[1] == "show" && strings.HasPrefix(segments[i-1], "waiting-room")
			if name == nil || segments[i-1] != name[1]+"s" && !roomOfShow {
				t.Errorf("%s: %s", path, segment)
			}
		}
	}
}

// A date that is past makes an example fail.
func TestDatesAreFarAway(t *testing.T) {
	t.Parallel()
	dates := regexp.MustCompile(`\b(\d{4})-\d\d-\d\d\b`).FindAllSubmatch(api.YAML(), -1)
	if len(dates) == 0 {
		t.Fatal("the document has no dates")
	}
	for _, date := range dates {
		if string(date[1]) < "2030" {
			t.Errorf("%s", date[0])
		}
	}
}
