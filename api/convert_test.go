package api

import (
	"strings"
	"testing"
)

func TestYAMLToJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, source, want string }{
		{"order is kept", "b: 1\na: 2\n", `{"b":1,"a":2}`},
		{"scalars keep their types", "[1, 1.5, true, null, text, '200', ~]", `[1,1.5,true,null,"text","200",null]`},
		{"keys are strings", "200: ok\n", `{"200":"ok"}`},
		{"times stay as written", "[2026-10-01, 2026-10-01T09:30:00Z]", `["2026-10-01","2026-10-01T09:30:00Z"]`},
		{"text is escaped", `a: "\"\n\\"`, `{"a":"\"\n\\"}`},
		{"empty collections", "{a: {}, b: []}", `{"a":{},"b":[]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := yamlToJSON([]byte(c.source))
			if err != nil || string(got) != c.want {
				t.Errorf("yamlToJSON(%q) = %s, %v; want %s", c.source, got, err, c.want)
			}
		})
	}
}

func TestYAMLToJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, source, want string }{
		{"nothing", "", "empty"},
		{"broken YAML", "a: [", "parse"},
		{"an alias", "a: &x 1\nb: *x\n", "line 2"},
		{"a number that JSON does not have", "a: 1\nb: .nan\n", "JSON"},
		{"a scalar of a wrong type", "a: !!int text\n", "line 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := yamlToJSON([]byte(c.source))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("yamlToJSON(%q) = %s, %v; want an error about %q", c.source, got, err, c.want)
			}
		})
	}
}
