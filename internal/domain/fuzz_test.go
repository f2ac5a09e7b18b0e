package domain_test

import (
	"testing"

	"evently/internal/domain"
)

// FuzzParseMoney reads any text: what is accepted is written and read again as the same amount.
func FuzzParseMoney(f *testing.F) {
	for _, text := range []string{"", "450", "380.5", "380.50", "0.005", "-1", "1e3", "1.", ".5", "999999999999999.99", "9999999999999999", "٣", "1_000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		amount, err := domain.ParseMoney(text)
		if err != nil {
			return
		}
		if again, err := domain.ParseMoney(amount.String()); err != nil || again != amount || amount < 0 {
			t.Errorf("%q is %d, written %s, and that is %d, %v", text, amount, amount, again, err)
		}
	})
}
