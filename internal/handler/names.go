package handler

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"evently/internal/domain"
)

// checkNames holds the member names of a JSON object, which was decoded into a struct of type t,
// to the letter. encoding/json takes a name in any case and a name twice; we take neither: two
// parts of a system that read the same body must not see different values.
func checkNames(body []byte, t reflect.Type) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // a number of any size is no fault of the names
	start, err := decoder.Token()
	if err != nil || start != json.Delim('{') {
		return domain.ErrInvalidJSON.WithMessage("The request body must be a JSON object")
	}
	return objectNames(decoder, elem(t), "")
}

// elem gives the type behind pointers and lists.
func elem(t reflect.Type) reflect.Type {
	for t != nil && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	return t
}

// objectNames reads the members of an object whose brace was read.
func objectNames(decoder *json.Decoder, t reflect.Type, path string) error {
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return explain(err)
		}
		name, _ := token.(string)
		field, known := fieldOf(t, name)
		switch {
		case !known:
			return domain.ErrUnknownField.WithDetails(path + name + ": is not known here")
		case seen[name]:
			return domain.ErrValidation.WithDetails(path + name + ": is given more than once")
		}
		seen[name] = true
		if err := valueNames(decoder, elem(field), path+name+"."); err != nil {
			return err
		}
	}
	_, err := decoder.Token()
	return err
}

// valueNames reads one value of any kind.
func valueNames(decoder *json.Decoder, t reflect.Type, path string) error {
	token, err := decoder.Token()
	if err != nil {
		return explain(err)
	}
	switch token {
	case json.Delim('{'):
		return objectNames(decoder, t, path)
	case json.Delim('['):
		for decoder.More() {
			if err := valueNames(decoder, t, path); err != nil {
				return err
			}
		}
		_, err = decoder.Token()
	}
	return err
}

// fieldOf finds the field of a struct by its exact JSON name. What is no struct reads its own JSON
// and judges its own names.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	if t == nil || t.Kind() != reflect.Struct {
		return nil, true
	}
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == name {
			return t.Field(i).Type, true
		}
	}
	return nil, false
}
