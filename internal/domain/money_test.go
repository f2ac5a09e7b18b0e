package domain_test

import (
	"strings"
	"testing"

	"evently/internal/domain"
)

func TestParseMoney_AcceptsNumbersByValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]domain.Money{
		"0": 0, "-0": 0, "0.00": 0, "0e9": 0, "-0.0E-9": 0, "0e99999999999": 0,
		"450": 45000, "380.5": 38050, "380.50": 38050, "0.05": 5, "450.0": 45000, "450.0000000": 45000,
		"1e2": 10000, "1E+2": 10000, "3.0E+1": 3000, "4.5e2": 45000, "45000e-2": 45000, "1.234e1": 1234, "0.0000045e8": 45000, "1e-2": 1,
		"450000000000000000000e-18": 45000,
		"99999999.99":               domain.MaxPrice,
		"999999999999999.99":        99_999_999_999_999_999,
		"1e14":                      10_000_000_000_000_000,
	} {
		if got, err := domain.ParseMoney(text); err != nil || got != want {
			t.Errorf("ParseMoney(%q) = %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestParseMoney_RefusesWhatIsNoAmount(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "-", "+1", " 1", "1 ", "1.", ".5", "01", "00", "1e", "1e+", "e5", "0x10", "1_000", "1,5", "1.2.3", "NaN", "Infinity", `"450"`, "null", "true", "٤٥٠",
		"0.001", "450.001", "1e-3", "4.5e-2", "1e-99999999999", "123456789e-99999999999",
		"-1", "-0.01", "-1e400",
		"1e15", "1000000000000000", "1e400", "1e99999999999", "9223372036854775808", strings.Repeat("9", 1000), "1" + strings.Repeat("0", 1000),
	} {
		if got, err := domain.ParseMoney(text); err == nil {
			t.Errorf("ParseMoney(%q) = %d, want an error", text, got)
		}
	}
}

func TestMoney_StringIsTheShortestDecimal(t *testing.T) {
	t.Parallel()
	for amount, want := range map[domain.Money]string{0: "0", 5: "0.05", 50: "0.5", 45000: "450", 38050: "380.5", 38055: "380.55", -5: "-0.05", -45000: "-450"} {
		if got := amount.String(); got != want {
			t.Errorf("Money(%d) is %q, want %q", amount, got, want)
		}
	}
}
