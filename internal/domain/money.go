package domain

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Money is an amount in hundredths of the currency unit. It is exact: it is never
// a float on its way between the wire, the code and the database.
type Money int64

// MaxPrice bounds the price of one seat: what numeric(10,2) holds.
const MaxPrice Money = 9_999_999_999

// Errors of ParseMoney.
var (
	errMoneySyntax   = errors.New("must be a number with at most two decimals")
	errMoneyTooLarge = errors.New("is too large")
)

// ParseMoney reads a plain decimal number such as "450", "380.5" or "380.50". A sign,
// an exponent, more than two decimals or more than 15 digits before the point are errors.
func ParseMoney(s string) (Money, error) {
	whole, fraction, hasPoint := strings.Cut(s, ".")
	if !digits(whole) || (hasPoint && !digits(fraction)) {
		return 0, errMoneySyntax
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > 2 {
		return 0, errMoneySyntax
	}
	if len(whole) > 15 {
		return 0, errMoneyTooLarge
	}
	units, err := strconv.ParseInt(whole+(fraction + "00")[:2], 10, 64)
	if err != nil {
		return 0, errMoneySyntax
	}
	return Money(units), nil
}

func digits(s string) bool {
	for _, r := range s {
		if r < '0' || r > '9' {
			return false
		}
	}
	return s != ""
}

// Times gives the amount of n such prices.
func (m Money) Times(n int) Money { return m * Money(n) }

// String gives the shortest exact form: "450", "380.5", "0.05".
func (m Money) String() string {
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	whole, cents := m/100, m%100
	switch {
	case cents == 0:
		return fmt.Sprintf("%s%d", sign, whole)
	case cents%10 == 0:
		return fmt.Sprintf("%s%d.%d", sign, whole, cents/10)
	default:
		return fmt.Sprintf("%s%d.%02d", sign, whole, cents)
	}
}
