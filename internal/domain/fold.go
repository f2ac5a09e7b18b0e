package domain

import (
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form of s in which texts are compared and searched: case folded and in Unicode NFC.
func Fold(s string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFD.String(s)))
}
