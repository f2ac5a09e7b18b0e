package handler

import (
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"evently/internal/domain"
)

// Texts are normalized by domain.Line, domain.Lines and domain.Label.
type (
	lineInput  string
	linesInput string
	labelInput string
)

func (t *lineInput) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return decodeText(d, t, domain.Line)
}

func (t *linesInput) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return decodeText(d, t, domain.Lines)
}

func (t *labelInput) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	return decodeText(d, t, domain.Label)
}

func decodeText[T ~string](d *jsontext.Decoder, dst *T, normalize func(string) (string, error)) error {
	var text string
	if err := json.UnmarshalDecode(d, &text); err != nil {
		return err
	}
	text, err := normalize(text)
	if err != nil {
		return inputError(err.Error())
	}
	*dst = T(text)
	return nil
}

type priceInput domain.Money

func (p *priceInput) UnmarshalJSON(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	amount, err := domain.ParseMoney(string(raw))
	if err != nil || amount <= 0 || amount > domain.MaxPrice {
		return inputError("must be a number above 0 with at most two decimals")
	}
	*p = priceInput(amount)
	return nil
}

type amountInput string

func (a *amountInput) UnmarshalJSON(raw []byte) error {
	switch {
	case isNull(raw):
		return nil
	case jsontext.Value(raw).Kind() != '0':
		return inputError("must be a number")
	}
	*a = amountInput(raw)
	return nil
}

const invalidAmount domain.Money = -1

// money returns the amount, or one that no booking costs if the number is not money.
func (a amountInput) money() domain.Money {
	amount, err := domain.ParseMoney(string(a))
	if err != nil {
		return invalidAmount
	}
	return amount
}

// Shows in other years are typing errors.
const (
	firstYear = 2000
	lastYear  = 2199
)

// timeInput is an RFC 3339 time, in UTC, to the microsecond that the database stores.
type timeInput time.Time

// rfc3339 refuses the comma and the hour of one digit that time.Parse accepts.
var rfc3339 = regexp.MustCompile(`^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"$`)

func (t *timeInput) UnmarshalJSON(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	parsed, err := time.Parse(time.RFC3339, strings.Trim(string(raw), `"`))
	parsed = parsed.UTC().Truncate(time.Microsecond)
	if err != nil || !rfc3339.Match(raw) || parsed.Year() < firstYear || parsed.Year() > lastYear {
		return inputError("must be an RFC 3339 time from 2000 to 2199, such as 2030-01-31T19:30:00Z")
	}
	*t = timeInput(parsed)
	return nil
}

func isNull(raw jsontext.Value) bool { return raw.Kind() == 'n' }

// nullable is a field that can be absent (the zero value), null (Set without a Value) or have a value.
type nullable[T any] struct {
	Set   bool
	Value *T
}

func (n *nullable[T]) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	n.Set = true
	return json.UnmarshalDecode(d, &n.Value)
}
