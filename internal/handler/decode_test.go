package handler

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/respond"
)

// nested is a body with every kind of field.
type nested struct {
	ID    *int64         `json:"id" validate:"omitempty,gt=0"`
	Text  string         `json:"text" validate:"max=3"`
	Flag  bool           `json:"flag"`
	Items []nested       `json:"items" validate:"dive"`
	Deep  *nested        `json:"deep"`
	IDs   []int64        `json:"ids" validate:"dive,gt=0"`
	Line  lineInput      `json:"line"`
	Lines linesInput     `json:"lines"`
	Label labelInput     `json:"label"`
	Price *priceInput    `json:"price"`
	Sum   amountInput    `json:"sum"`
	Time  *timeInput     `json:"time"`
	Null  nullable[bool] `json:"null"`
}

// decodeBody decodes body into dst as a request of this content type.
func decodeBody(t *testing.T, contentType, body string, dst any) error {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return decode(httptest.NewRecorder(), r, maxBody, dst)
}

func TestDecode_FaultNamesTheField(t *testing.T) {
	t.Parallel()
	const (
		text  = "must not have control, zero-width or direction characters"
		price = "must be a number above 0 with at most two decimals"
		when  = "must be an RFC 3339 time from 2000 to 2199, such as 2030-01-31T19:30:00Z"
	)
	for body, want := range map[string]string{
		// names
		`{"ID":1}`:                          "unknown_field ID: unknown field",
		`{"0":1}`:                           "unknown_field 0: unknown field",
		`{"text":"\"}","what":1}`:           "unknown_field what: unknown field",
		`{"items":[{},{"id":1,"what":2}]}`:  "unknown_field items[1].what: unknown field",
		`{"deep":{"items":[{"Text":"x"}]}}`: "unknown_field deep.items[0].Text: unknown field",
		`{"items":[{"deep":{"what":1}}]}`:   "unknown_field items[0].deep.what: unknown field",
		`{"id":1,"id":1}`:                   "validation_failed id: duplicate field",
		`{"id":1,"i\u0064":1}`:              "validation_failed id: duplicate field",
		`{"items":[{"id":1,"id":2}]}`:       "validation_failed items[0].id: duplicate field",
		// types
		`{"id":"1"}`:                       "validation_failed id: must be a whole number within range",
		`{"id":1.5}`:                       "validation_failed id: must be a whole number within range",
		`{"id":9223372036854775808}`:       "validation_failed id: must be a whole number within range",
		`{"ids":[1,2,"3"]}`:                "validation_failed ids[2]: must be a whole number within range",
		`{"ids":1}`:                        "validation_failed ids: must be a list",
		`{"text":1}`:                       "validation_failed text: must be a string",
		`{"flag":"true"}`:                  "validation_failed flag: must be true or false",
		`{"deep":[]}`:                      "validation_failed deep: must be an object",
		`{"items":[{},{},{},{"id":true}]}`: "validation_failed items[3].id: must be a whole number within range",
		`{"items":[[]]}`:                   "validation_failed items[0]: must be an object",
		`{"null":1}`:                       "validation_failed null: must be true or false",
		`{"line":1}`:                       "validation_failed line: must be a string",
		`{"items":[{"line":{}}]}`:          "validation_failed items[0].line: must be a string",
		`{"line":"a\u0000"}`:               "validation_failed line: " + text,
		`{"line":"\u200b"}`:                "validation_failed line: " + text,
		`{"lines":"a\tb"}`:                 "validation_failed lines: " + text,
		`{"items":[{"label":"A"},{"label":"A\u200b"}]}`: "validation_failed items[1].label: " + text,
		`{"label":"\u2800"}`:                            "validation_failed label: must not be blank",
		`{"price":0}`:                                   "validation_failed price: " + price,
		`{"price":-1}`:                                  "validation_failed price: " + price,
		`{"price":1.001}`:                               "validation_failed price: " + price,
		`{"price":"1"}`:                                 "validation_failed price: " + price,
		`{"price":1e8}`:                                 "validation_failed price: " + price,
		`{"price":{}}`:                                  "validation_failed price: " + price,
		`{"sum":"1"}`:                                   "validation_failed sum: must be a number",
		`{"items":[{"sum":true}]}`:                      "validation_failed items[0].sum: must be a number",
		`{"time":1900000000}`:                           "validation_failed time: " + when,
		`{"time":"2030-01-31"}`:                         "validation_failed time: " + when,
		`{"time":"1999-12-31T23:59:59Z"}`:               "validation_failed time: " + when,
		// rules
		`{"id":0,"text":"abcd"}`:           "validation_failed id: must be greater than 0, text: must have at most 3 characters",
		`{"items":[{},{"text":"abcd"}]}`:   "validation_failed items[1].text: must have at most 3 characters",
		`{"ids":[1,0]}`:                    "validation_failed ids[1]: must be greater than 0",
		`{"deep":{"items":[{"ids":[0]}]}}`: "validation_failed deep.items[0].ids[0]: must be greater than 0",
	} {
		var dst nested
		err := decodeBody(t, "application/json", body, &dst)
		var coded *domain.Error
		if !errors.As(err, &coded) {
			t.Errorf("%s: %v, want %s", body, err, want)
			continue
		}
		if got := coded.Code + " " + strings.Join(coded.Details, ", "); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

func TestDecode_NotAJSONObject(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", " ", "null", " null ", "[]", "[1]", `"x"`, "1", "true", "id=1", `{"id":1`, `{"id":1}{}`, `{"id":1} x`, `{"id":01}`, `{'id':1}`,
		`{"id":1,}`, "{\"\xff\":1}", "{\"text\":\"\xff\"}", `{"text":"\ud800"}`, strings.Repeat("[", 20_000), strings.Repeat(`{"deep":`, 8_000),
	} {
		if err := decodeBody(t, "application/json", body, new(nested)); !errors.Is(err, domain.ErrInvalidJSON) {
			t.Errorf("%.40q: %v, want invalid_json", body, err)
		}
	}
}

func TestDecode_ContentTypeAndSize(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]error{
		"application/json":                   nil,
		"application/json; charset=utf-8":    nil,
		"Application/JSON;charset=UTF-8":     nil,
		"application/json; charset=latin1":   respond.ErrUnsupportedMediaType,
		"application/json;":                  nil,
		"application/jsonx":                  respond.ErrUnsupportedMediaType,
		"text/plain":                         respond.ErrUnsupportedMediaType,
		"application/x-www-form-urlencoded":  respond.ErrUnsupportedMediaType,
		"":                                   respond.ErrUnsupportedMediaType,
		"application/json, application/json": respond.ErrUnsupportedMediaType,
		"application/merge-patch+json":       respond.ErrUnsupportedMediaType,
	} {
		if err := decodeBody(t, contentType, `{"id":1}`, new(nested)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", contentType, err, want)
		}
	}
	if err := decodeBody(t, "application/json", `{}`+strings.Repeat(" ", maxBody-2), new(nested)); err != nil {
		t.Errorf("64 KiB: %v", err)
	}
	if err := decodeBody(t, "application/json", `{}`+strings.Repeat(" ", maxBody-1), new(nested)); !errors.Is(err, respond.ErrBodyTooLarge) {
		t.Errorf("64 KiB and one byte: %v, want body_too_large", err)
	}
}

func TestDecode_Values(t *testing.T) {
	t.Parallel()
	const body = "\t{\"id\":null,\"text\":\"\\u00e9\", \"ids\" :[1,9223372036854775807],\"items\":[{\"id\":7}],\"deep\":{\"label\":\" A \"}," +
		"\"line\":\" Cafe\\u0301 \",\"lines\":\"a\\nb\\n\",\"price\":4.5e2,\"sum\":-1e2,\"time\":\"2030-01-31T21:30:00.1234567+02:00\",\"null\":null}\n"
	var got nested
	if err := decodeBody(t, "application/json", body, &got); err != nil {
		t.Fatal(err)
	}
	id, price := int64(7), priceInput(45000)
	when := timeInput(time.Date(2030, 1, 31, 19, 30, 0, 123456000, time.UTC))
	want := nested{
		Text: "é", IDs: []int64{1, 9223372036854775807}, Items: []nested{{ID: &id}}, Deep: &nested{Label: "A"},
		Line: "Caf\u00e9", Lines: "a\nb", Price: &price, Sum: "-1e2", Time: &when, Null: nullable[bool]{Set: true},
	}
	equalTimes := cmp.Comparer(func(a, b timeInput) bool { return time.Time(a).Equal(time.Time(b)) })
	if diff := cmp.Diff(want, got, equalTimes); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestDecodeOptional_EmptyBodyIsLeftOut(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
	if err := decodeOptional(httptest.NewRecorder(), r, new(nested)); err != nil {
		t.Error(err)
	}
}

func TestAmountInput_WhatIsNoMoneyEqualsNoAmount(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.Money{"450": 45000, "4.5e2": 45000, "450.001": invalidAmount, "-450": invalidAmount, "1e400": invalidAmount} {
		if got := amountInput(text).money(); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}
