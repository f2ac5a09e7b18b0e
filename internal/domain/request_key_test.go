package domain_test

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"evently/internal/domain"
)

func TestFingerprint_EqualForEqualRequests(t *testing.T) {
	t.Parallel()
	for name, pair := range map[string][2]string{
		"order of members":        {`{"a":1,"b":{"c":2,"d":3}}`, `{"b":{"d":3,"c":2},"a":1}`},
		"white space":             {`{"a":[1,2]}`, " {\n\t\"a\" : [ 1 , 2 ] } \n"},
		"decimals":                {`{"amount":450}`, `{"amount":450.0}`},
		"exponent":                {`{"amount":450}`, `{"amount":4.5e2}`},
		"exponent with a sign":    {`{"amount":450}`, `{"amount":4.5E+2}`},
		"negative exponent":       {`{"amount":0.045}`, `{"amount":45e-3}`},
		"zero":                    {`0`, `-0.0`},
		"escapes":                 {`{"a":"\u00e9"}`, `{"a":"é"}`},
		"the last of equal names": {`{"a":1,"a":2}`, `{"a":2}`},
		"no body":                 {"", ""},
		"a body that is not JSON": {"{a", "{a"},
	} {
		if !bytes.Equal(domain.Fingerprint("/x", []byte(pair[0])), domain.Fingerprint("/x", []byte(pair[1]))) {
			t.Errorf("%s: %s and %s differ", name, pair[0], pair[1])
		}
	}
}

func TestFingerprint_DiffersForOtherRequests(t *testing.T) {
	t.Parallel()
	for name, pair := range map[string][2]string{
		"value":                {`{"a":1}`, `{"a":2}`},
		"order of items":       {`[1,2]`, `[2,1]`},
		"last digit of an id":  {`{"id":9223372036854775806}`, `{"id":9223372036854775807}`},
		"hundredths":           {`{"amount":999999999999999.98}`, `{"amount":999999999999999.99}`},
		"sign":                 {`1`, `-1`},
		"number and string":    {`{"a":1}`, `{"a":"1"}`},
		"null and no member":   {`{"a":null}`, `{}`},
		"no body and an empty": {"", "{}"},
		"not JSON":             {"{a", "{ a"},
		"long numbers":         {"1" + strings.Repeat("0", 30) + "1", "1" + strings.Repeat("0", 30) + "2"},
		"huge exponents":       {`1e998`, `1e999`},
	} {
		if bytes.Equal(domain.Fingerprint("/x", []byte(pair[0])), domain.Fingerprint("/x", []byte(pair[1]))) {
			t.Errorf("%s: %s and %s are equal", name, pair[0], pair[1])
		}
	}
	if bytes.Equal(domain.Fingerprint("/x/1", []byte("{}")), domain.Fingerprint("/x/2", []byte("{}"))) {
		t.Error("two paths have one fingerprint")
	}
	if bytes.Equal(domain.Fingerprint("/x/1", nil), domain.Fingerprint("/x/2", nil)) {
		t.Error("two paths without a body have one fingerprint")
	}
	if bytes.Equal(domain.Fingerprint("/x", []byte("y")), domain.Fingerprint("/xy", nil)) {
		t.Error("path and body run together")
	}
}

// A short body must not cost more than its length. Not parallel: it measures the process.
func TestFingerprint_HugeExponentsAreCheap(t *testing.T) { //nolint:paralleltest // see above
	for _, number := range []string{"1e99999", "1e-99999", "9E+999999999999999999", "1e100"} {
		body := []byte("[" + strings.Repeat(number+",", 100) + number + "]")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		domain.Fingerprint("/x", body)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 1<<20 {
			t.Errorf("%s: %d bytes are allocated for a body of %d", number, allocated, len(body))
		}
	}
}

func TestRequestKey_ZeroWithoutKey(t *testing.T) {
	t.Parallel()
	if !(domain.RequestKey{UserID: 1, Route: "POST /x"}).IsZero() || (domain.RequestKey{Key: "k"}).IsZero() {
		t.Error("IsZero is wrong")
	}
}
