package domain

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Money is an exact amount in hundredths of the currency unit; it is never a float.
type Money int64

// MaxPrice is the largest price of one seat: what numeric(10,2) holds.
const MaxPrice Money = 9_999_999_999

const maxWhole = 15

// Errors of ParseMoney.
var (
	errMoneySyntax   = errors.New("must be a number with at most two decimals")
	errMoneyNegative = errors.New("must not be negative")
	errMoneyTooLarge = errors.New("is too large")
)

var jsonNumber = regexp.MustCompile(`^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([-+]?[0-9]+))?$`)

// ParseMoney reads a JSON number such as 450, 380.50 or 4.5e2.
func ParseMoney(s string) (Money, error) {
	parts := jsonNumber.FindStringSubmatch(s)
	if parts == nil {
		return 0, errMoneySyntax
	}
	sign, whole, fraction := parts[1], parts[2], parts[3]
	exponent := int64(0)
	if parts[4] != "" {
		// An exponent out of range is cut to the range, which is as far out of that of Money.
		exponent, _ = strconv.ParseInt(parts[4], 10, 32)
	}
	digits := strings.TrimLeft(whole+fraction, "0")
	decimals := int64(len(fraction)) - exponent
	if digits == "" {
		return 0, nil
	}
	significant := strings.TrimRight(digits, "0")
	decimals -= int64(len(digits) - len(significant))
	switch {
	case sign != "":
		return 0, errMoneyNegative
	case decimals > 2:
		return 0, errMoneySyntax
	case int64(len(significant))-decimals > maxWhole:
		return 0, errMoneyTooLarge
	}
	cents, err := strconv.ParseInt(significant+strings.Repeat("0", int(2-decimals)), 10, 64)
	return Money(cents), err
}

// String returns the shortest exact form: "450", "380.5", "0.05".
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
