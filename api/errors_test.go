package api_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"evently/api"
)

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
