package handler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"evently/internal/domain"
)

// Bounds of request bodies, in bytes.
const (
	maxBody     = 64 << 10
	maxBulkBody = 1 << 20 // the bulk seat routes
)

// decode reads the JSON body of r into dst, which points to a struct, and validates it. A body
// of another type, over limit bytes, with an unknown field, a wrong type or anything behind
// the value is refused with an error that names the field.
func decode(w http.ResponseWriter, r *http.Request, limit int64, dst any) error {
	body, err := readRequiredBody(w, r, limit)
	if err != nil {
		return err
	}
	return decodeBody(r, body, dst)
}

// decodeOptional is decode for a body that may be left out.
func decodeOptional(w http.ResponseWriter, r *http.Request, limit int64, dst any) error {
	body, err := readBody(w, r, limit)
	if err != nil || len(body) == 0 {
		return err
	}
	return decodeBody(r, body, dst)
}

// decodeBody decodes and validates a body that was read and is not empty.
func decodeBody(r *http.Request, body []byte, dst any) error {
	if err := requireJSON(r); err != nil {
		return err
	}
	if err := unmarshalStrict(body, dst); err != nil {
		return err
	}
	return validate(dst)
}

func readRequiredBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := readBody(w, r, limit)
	if err == nil && len(body) == 0 {
		err = domain.ErrInvalidJSON.WithMessage("The request body is empty")
	}
	return body, err
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, domain.ErrBodyTooLarge.WithMessage(fmt.Sprintf("The request body is over %d bytes", limit))
	case err != nil:
		return nil, domain.ErrInvalidJSON.WithMessage("The request body could not be read").WithCause(err)
	}
	return body, nil
}

func requireJSON(r *http.Request) error {
	contentType := r.Header.Get("Content-Type")
	if contentType == "application/json" {
		return nil // what needs no reading
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil || mediaType != "application/json" {
		return domain.ErrUnsupportedMedia
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return domain.ErrUnsupportedMedia.WithMessage("The request body must be UTF-8")
	}
	return nil
}

// unmarshalStrict is json.Unmarshal without its leniency.
func unmarshalStrict(body []byte, dst any) error {
	if !utf8.Valid(body) {
		return domain.ErrInvalidJSON.WithMessage("The request body is not UTF-8")
	}
	// A Decoder tells best what is wrong, and costs twice as much when nothing is.
	if json.Unmarshal(body, dst) != nil {
		return fault(body, dst)
	}
	return checkNames(body, reflect.TypeOf(dst))
}

// fault gives what a strict Decoder says of a body that is not what it should be.
func fault(body []byte, dst any) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(dst); err != nil {
		return explain(err)
	}
	return domain.ErrInvalidJSON.WithMessage("There is something behind the JSON value in the request body")
}

// unknownFieldPrefix is how encoding/json starts the one error that it gives no type.
const unknownFieldPrefix = "json: unknown field "

// explain turns an error of encoding/json into one that names the field.
func explain(err error) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType) && wrongType.Field == "":
		return domain.ErrInvalidJSON.WithMessage("The request body must be a JSON object")
	case errors.As(err, &wrongType):
		return domain.ErrValidation.WithDetails(wrongType.Field + ": " + wanted(wrongType))
	case errors.As(err, &syntax):
		return domain.ErrInvalidJSON.WithMessage(fmt.Sprintf("The request body is not valid JSON (at byte %d)", syntax.Offset))
	case strings.HasPrefix(err.Error(), unknownFieldPrefix):
		field := strings.Trim(strings.TrimPrefix(err.Error(), unknownFieldPrefix), `"`)
		return domain.ErrUnknownField.WithDetails(field + ": is not known here")
	default:
		return domain.ErrInvalidJSON.WithMessage("The request body ends too early")
	}
}

// wanted says in words what a field of a wrong type should have been.
func wanted(e *json.UnmarshalTypeError) string {
	kind := e.Type.String()
	switch {
	case strings.HasPrefix(kind, "int"):
		return "must be a whole number within range"
	case kind == "string":
		return "must be a string"
	case kind == "time.Time":
		return "must be a time such as 2030-01-31T19:30:00Z"
	case strings.HasPrefix(kind, "[]"):
		return "must be a list"
	default:
		return "must not be a " + e.Value
	}
}
