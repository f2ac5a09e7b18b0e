package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"evently/internal/domain"
)

// nested is a body with all that a body can have.
type nested struct {
	ID   *int64          `json:"id"`
	Text string          `json:"text"`
	List []nested        `json:"list"`
	Deep *nested         `json:"deep"`
	Any  any             `json:"any"`
	Nums [][]json.Number `json:"nums"`
}

func TestNamesAreTakenToTheLetter(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{}`: "",
		" {\t\"id\" :\r\n1 , \"text\":\"a \\\" } b\" }\n":                         "",
		`{"id":null,"list":[{"id":1},{"deep":{"id":2}}],"nums":[[],[1,-2e5],[]]}`: "",
		`{"any":{"ID":1,"what":{"ever":[true,false,null]}},"text":"\\"}`:          "",
		`{"t\u0065xt":"x"}`:                                   "",
		`{"ID":1}`:                                            "ID: is not known here",
		`{"id":1,"id":1}`:                                     "id: is given more than once",
		`{"id":1,"i\u0064":1}`:                                "id: is given more than once",
		`{"text":"\"}","what":1}`:                             "what: is not known here",
		`{"nums":[[1]],"what":1}`:                             "what: is not known here",
		`{"list":[{},{"id":1,"what":2}]}`:                     "list.what: is not known here",
		`{"deep":{"list":[{"Text":"x"}]}}`:                    "deep.list.Text: is not known here",
		`{"deep":{"id":1,"id":2}}`:                            "deep.id: is given more than once",
		`{"any":{"a":1,"a":2}}`:                               "any.a: is given more than once",
		`{"any":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"a":2}}`: "any.a: is given more than once",
		`{"any":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"f":2}}`: "any.f: is given more than once",
		`{"any":{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":2}}`: "",
	} {
		var dst nested
		if err := json.Unmarshal([]byte(body), &dst); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		got := ""
		var coded *domain.Error
		if err := checkNames([]byte(body), reflect.TypeOf(&dst)); errors.As(err, &coded) {
			got = strings.Join(coded.Details, " ")
		} else if err != nil {
			t.Errorf("%s: %v", body, err)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if err := checkNames([]byte(` [1]`), reflect.TypeFor[nested]()); !errors.Is(err, domain.ErrInvalidJSON) {
		t.Errorf("a list: %v", err)
	}
}

// FuzzNames holds the walk over a body against the decoder's tokens.
func FuzzNames(f *testing.F) {
	for _, body := range []string{
		`{}`, `{"id":1,"text":"a"}`, `{"list":[{"id":1},{}],"nums":[[1,2],[]]}`, `{"any":{"a":[1,{"b":"\""}]}}`, `{"t\u0065xt":"\\"}`,
		`{"id":1,"id":2}`, ` { "what" : true } `, `{"deep":{"deep":{"ID":1}}}`, `{"any":{"a":1,"a":2}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) || bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		_, _ = decoder.Token()
		good := tokensAreGood(t, decoder, reflect.TypeFor[nested]())
		if err := checkNames(body, reflect.TypeFor[nested]()); (err == nil) != good {
			t.Errorf("%q: %v, and the tokens are good: %t", body, err, good)
		}
	})
}

// tokensAreGood is checkNames over tokens, for the rest of an object.
func tokensAreGood(t *testing.T, decoder *json.Decoder, of reflect.Type) bool {
	t.Helper()
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		name, _ := token.(string)
		field, known := fieldOf(of, []byte(name))
		if !known || seen[name] {
			return false
		}
		seen[name] = true
		if !valueIsGood(t, decoder, elem(field)) {
			return false
		}
	}
	_, _ = decoder.Token()
	return true
}

func valueIsGood(t *testing.T, decoder *json.Decoder, of reflect.Type) bool {
	t.Helper()
	token, err := decoder.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch token {
	case json.Delim('{'):
		return tokensAreGood(t, decoder, of)
	case json.Delim('['):
		for decoder.More() {
			if !valueIsGood(t, decoder, of) {
				return false
			}
		}
		_, _ = decoder.Token()
	}
	return true
}
