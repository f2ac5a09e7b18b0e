package handler

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"sync"

	"evently/internal/domain"
)

// checkNames holds the member names of a JSON object, which was decoded into a struct of type t,
// to the letter. encoding/json takes a name in any case and a name twice; we take neither: two
// parts of a system that read the same body must not see different values.
func checkNames(body []byte, t reflect.Type) error {
	n := names{body: body}
	if n.next() != '{' {
		return domain.ErrInvalidJSON.WithMessage("The request body must be a JSON object")
	}
	return n.object(elem(t), "")
}

// elem gives the type behind pointers and lists.
func elem(t reflect.Type) reflect.Type {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	return t
}

// names walks over JSON that is known to be valid, so it need not look at more than where values
// begin and end. The decoder's tokens would tell the same at several times the cost.
type names struct {
	body []byte
	at   int
}

// next gives the byte with which the next token begins; 0 at the end.
func (n *names) next() byte {
	for ; n.at < len(n.body); n.at++ {
		switch n.body[n.at] {
		case ' ', '\t', '\r', '\n', ',', ':':
		default:
			return n.body[n.at]
		}
	}
	return 0
}

// object walks over an object whose members are those of t.
func (n *names) object(t reflect.Type, path string) error {
	n.at++ // the brace
	var seen nameSet
	for n.next() == '"' {
		name, err := n.text()
		if err != nil {
			return err
		}
		field, known := fieldOf(t, name)
		switch {
		case !known:
			return domain.ErrUnknownField.WithDetails(path + string(name) + ": is not known here")
		case !seen.add(name):
			return domain.ErrValidation.WithDetails(path + string(name) + ": is given more than once")
		}
		if err := n.value(field, path, name); err != nil {
			return err
		}
	}
	n.at++ // the brace
	return nil
}

// nameSet is the names of the members of one object. Nearly all have a handful.
type nameSet struct {
	few  [4][]byte
	n    int
	many map[string]bool // when there are more
}

// add reports whether the name is new.
func (s *nameSet) add(name []byte) bool {
	for _, other := range s.few[:s.n] {
		if bytes.Equal(other, name) {
			return false
		}
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
		s.n++
		return true
	}
	if s.many[string(name)] {
		return false
	}
	if s.many == nil {
		s.many = map[string]bool{}
	}
	s.many[string(name)] = true
	return true
}

// value walks over one value of any kind, that of the member name.
func (n *names) value(t reflect.Type, path string, name []byte) error {
	switch n.next() {
	case '{':
		return n.object(elem(t), path+string(name)+".")
	case '[':
		n.at++
		for c := n.next(); c != ']' && c != 0; c = n.next() {
			if err := n.value(t, path, name); err != nil {
				return err
			}
		}
		n.at++
	case '"':
		n.at = n.textEnd()
	default: // a number or a word
		if end := bytes.IndexAny(n.body[n.at:], ",]} \t\r\n"); end >= 0 {
			n.at += end
		} else {
			n.at = len(n.body)
		}
	}
	return nil
}

// textEnd gives the place behind the string that begins here.
func (n *names) textEnd() int {
	for at := n.at + 1; at < len(n.body); at++ {
		switch n.body[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(n.body)
}

// text reads a string. Nobody may change it.
func (n *names) text() ([]byte, error) {
	quoted := n.body[n.at:n.textEnd()]
	n.at += len(quoted)
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	var text string
	if err := json.Unmarshal(quoted, &text); err != nil {
		return nil, explain(err)
	}
	return []byte(text), nil
}

// fieldsOf keeps, for each struct, its fields by their JSON names.
var fieldsOf sync.Map // of map[string]reflect.Type by reflect.Type

// fieldOf finds the type of a struct's field by its exact JSON name. What is no struct reads its own
// JSON and judges its own names.
func fieldOf(t reflect.Type, name []byte) (reflect.Type, bool) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil, true
	}
	kept, found := fieldsOf.Load(t)
	if !found {
		kept, _ = fieldsOf.LoadOrStore(t, fieldsByName(t))
	}
	fields, _ := kept.(map[string]reflect.Type)
	field, known := fields[string(name)]
	return field, known
}

func fieldsByName(t reflect.Type) map[string]reflect.Type {
	fields := make(map[string]reflect.Type, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i).Type
	}
	return fields
}
