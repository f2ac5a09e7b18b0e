package domain

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"strings"
	"time"
)

// RequestKey identifies a request that may be repeated: by its user, its route and the Idempotency-Key that the
// client chose.
type RequestKey struct {
	UserID      int64
	Route       string // method and route pattern
	Key         string
	Fingerprint []byte // of the request's path and body
}

func (k RequestKey) IsZero() bool { return k.Key == "" }

// Fingerprint returns a hash that is equal for requests to the same path with the same JSON value as their body:
// white space, the order of members and the spelling of numbers do not matter.
func Fingerprint(path string, body []byte) []byte {
	hash := sha256.New()
	hash.Write([]byte(path))
	hash.Write([]byte{0})
	hash.Write(canonicalJSON(body))
	return hash.Sum(nil)
}

func canonicalJSON(body []byte) []byte {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return body
	}
	canonical, err := json.Marshal(canonicalValue(value)) // sorts the members of objects
	if err != nil {
		return body
	}
	return canonical
}

func canonicalValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = canonicalValue(member)
		}
	case []any:
		for i, item := range v {
			v[i] = canonicalValue(item)
		}
	case json.Number:
		return canonicalNumber(string(v))
	}
	return value
}

// maxNumber bounds the spelling of a number that is brought into its canonical form, in bytes, so that an exponent
// cannot make it huge.
const maxNumber = 24

func canonicalNumber(text string) any {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(text) > maxNumber || len(exponent) > 2 {
		return text
	}
	number, ok := new(big.Rat).SetString(text)
	if !ok {
		return text
	}
	return json.Number(number.FloatString(maxNumber))
}

// ErrTooManyKeys is a user who has as many idempotency keys stored as one user may have.
var ErrTooManyKeys = &Error{
	Kind: KindLimited, Code: "too_many_idempotency_keys", Message: "Too many idempotency keys in use", RetryAfter: time.Hour,
}
