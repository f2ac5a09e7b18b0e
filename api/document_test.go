package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
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

// errorSchemas returns the schemas that an error of this response may have. Where there are several, code says which.
func errorSchemas(t *testing.T, where string, response *openapi3.Response) openapi3.SchemaRefs {
	t.Helper()
	media := response.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	one := media.Schema.Value.OneOf
	if len(one) == 0 {
		return openapi3.SchemaRefs{media.Schema}
	}
	by := media.Schema.Value.Discriminator
	if by == nil || by.PropertyName != "code" || len(by.Mapping) != len(one) {
		t.Errorf("%s: code does not tell the schemas from each other", where)
		return one
	}
	for _, schema := range one {
		code := fmt.Sprint(schema.Value.Properties["code"].Value.Enum[0])
		if by.Mapping[code].Ref != schema.Ref {
			t.Errorf("%s: %s is mapped to %s instead of %s", where, code, by.Mapping[code].Ref, schema.Ref)
		}
	}
	return one
}

// errorCodes returns the status of each code.
func errorCodes(t *testing.T, doc *openapi3.T) map[string]int {
	t.Helper()
	statusOf := map[string]int{}
	for _, op := range operations(doc) {
		for _, status := range op.statuses() {
			if status < 400 || (op.isHealth() && status == 503) {
				continue
			}
			where := fmt.Sprintf("%s: %d", op.name, status)
			schemas := errorSchemas(t, where, op.response(status))
			if len(schemas) == 0 {
				t.Errorf("%s has no JSON schema", where)
			}
			var codes, examples []string
			for _, schema := range schemas {
				code := checkErrorSchema(t, where, schema)
				if other, known := statusOf[code]; known && other != status {
					t.Errorf("%s: %s has the status %d elsewhere", where, code, other)
				}
				statusOf[code] = status
				codes = append(codes, code)
			}
			for name, example := range op.response(status).Content.Get("application/json").Examples {
				value, _ := example.Value.Value.(map[string]any)
				if code := value["code"]; code != name {
					t.Errorf("%s: example %s has the code %v", where, name, code)
				}
				examples = append(examples, name)
			}
			slices.Sort(codes)
			slices.Sort(examples)
			if diff := cmp.Diff(codes, examples); diff != "" {
				t.Errorf("%s: codes and examples differ (-codes +examples):\n%s", where, diff)
			}
		}
	}
	return statusOf
}

// checkErrorSchema checks a schema of an error, and returns its code.
func checkErrorSchema(t *testing.T, where string, schema *openapi3.SchemaRef) string {
	t.Helper()
	for _, name := range []string{"message", "code", "request_id", "details"} {
		if schema.Value.Properties[name] == nil {
			t.Errorf("%s: %s lacks %s", where, schema.Ref, name)
		}
		if name != "details" && !slices.Contains(schema.Value.Required, name) {
			t.Errorf("%s: %s does not require %s", where, schema.Ref, name)
		}
	}
	if schema.Value.Properties["message"].Value.Enum != nil {
		t.Errorf("%s: %s fixes its message, which is for people", where, schema.Ref)
	}
	codes := schema.Value.Properties["code"].Value.Enum
	if len(codes) != 1 {
		t.Fatalf("%s: %s has the codes %v, want one", where, schema.Ref, codes)
	}
	return fmt.Sprint(codes[0])
}

var tableRow = regexp.MustCompile("(?m)^\\| (\\d{3}) \\| `([a-z_]+)` \\| (\\S.*) \\|$")

// The guide has a table of all codes.
func TestErrorCodesAreExplained(t *testing.T) {
	t.Parallel()
	doc := load(t, api.YAML())
	guide, err := os.ReadFile("../docs/api-guide.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]string{}
	for _, row := range tableRow.FindAllStringSubmatch(string(guide), -1) {
		explained[row[2]] = row[1] + " " + row[3]
	}
	documented := map[string]string{}
	statusOf := errorCodes(t, doc)
	for _, schema := range doc.Components.Schemas {
		if code := schema.Value.Properties["code"]; code != nil {
			name := fmt.Sprint(code.Value.Enum[0])
			documented[name] = fmt.Sprint(statusOf[name], " ", schema.Value.Description)
		}
	}
	if diff := cmp.Diff(documented, explained); diff != "" {
		t.Errorf("the schemas of errors and the table of docs/api-guide.md differ (-schemas +table):\n%s", diff)
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
