package handler

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"evently/internal/domain"
	"evently/internal/respond"
)

// Bounds of request bodies, in bytes.
const (
	maxBody     = respond.MaxBody
	maxAuthBody = respond.MaxAuthBody
	maxBulkBody = 1 << 20 // the bulk seat routes
)

// decode reads a JSON body of at most limit bytes into the struct dst, strictly, and validates it.
func decode(w http.ResponseWriter, r *http.Request, limit int64, dst any) error {
	body, err := readBody(w, r, limit)
	if err != nil {
		return err
	}
	return unmarshal(r, body, dst)
}

func decodeOptional(w http.ResponseWriter, r *http.Request, dst any) error {
	body, err := readBody(w, r, maxBody)
	if err != nil || len(body) == 0 {
		return err
	}
	return unmarshal(r, body, dst)
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if err := requireNoCoding(r); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, domain.ErrOverloaded):
		return nil, err
	case errors.As(err, &tooLarge):
		return nil, respond.ErrBodyTooLarge.WithMessage(fmt.Sprintf("The request body is over %d bytes", limit))
	case err != nil:
		return nil, domain.ErrInvalidJSON.WithMessage("The request body could not be read").WithCause(err)
	}
	return body, nil
}

// requireNoCoding refuses compressed bodies: they are read as they come.
func requireNoCoding(r *http.Request) error {
	for _, coding := range r.Header.Values("Content-Encoding") {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return respond.ErrUnsupportedMediaType.WithMessage("The request body must not have a Content-Encoding")
		}
	}
	return nil
}

func unmarshal(r *http.Request, body []byte, dst any) error {
	if len(body) == 0 {
		return domain.ErrInvalidJSON.WithMessage("The request body is empty")
	}
	if err := requireJSON(r); err != nil {
		return err
	}
	if err := json.Unmarshal(body, dst, json.RejectUnknownMembers(true)); err != nil {
		return decodeError(err)
	}
	if jsontext.Value(body).Kind() != '{' { // null, which json.Unmarshal accepts
		return errNotAnObject
	}
	return validate(dst)
}

func requireJSON(r *http.Request) error {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		return respond.ErrUnsupportedMediaType
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return respond.ErrUnsupportedMediaType.WithMessage("The request body must be UTF-8")
	}
	return nil
}

var errNotAnObject = domain.ErrInvalidJSON.WithMessage("The request body must be a JSON object")

type inputError string

func (e inputError) Error() string { return string(e) }

func decodeError(err error) error {
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return domain.ErrValidation.WithDetails(fieldPath(syntax.JSONPointer) + ": duplicate field")
	case errors.As(err, &syntax):
		message := fmt.Sprintf("The request body is not valid JSON (at byte %d)", syntax.ByteOffset)
		return domain.ErrInvalidJSON.WithMessage(message)
	case !errors.As(err, &semantic):
		return domain.ErrInvalidJSON.WithCause(err)
	case semantic.JSONPointer == "":
		return errNotAnObject
	case errors.Is(err, json.ErrUnknownName):
		return domain.ErrUnknownField.WithDetails(fieldPath(semantic.JSONPointer) + ": unknown field")
	default:
		return domain.ErrValidation.WithDetails(fieldPath(semantic.JSONPointer) + ": " + expectation(semantic))
	}
}

func expectation(e *json.SemanticError) string {
	var input inputError
	if errors.As(e, &input) {
		return input.Error()
	}
	switch e.GoType.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Slice:
		return "must be a list"
	case reflect.Struct:
		return "must be an object"
	default:
		return "must be a whole number within range"
	}
}

// fieldPath writes a pointer into a body as validation errors have it: "seats[3].seat_row".
func fieldPath(pointer jsontext.Pointer) string {
	var path strings.Builder
	afterName := false
	for token := range pointer.Tokens() {
		// Bodies have no lists of lists, so a number is an index only behind a name.
		isIndex := afterName && strings.Trim(token, "0123456789") == ""
		switch {
		case isIndex:
			path.WriteString("[" + token + "]")
		case path.Len() > 0:
			path.WriteString("." + token)
		default:
			path.WriteString(token)
		}
		afterName = !isIndex
	}
	return path.String()
}
