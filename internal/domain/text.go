package domain

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Errors of Line, Lines and Label.
var (
	errNotUTF8       = errors.New("must be UTF-8")
	errBlankText     = errors.New("must not be blank")
	errInvisibleText = errors.New("must not have control, zero-width or direction characters")
)

// Line returns s as a name or a title is stored: trimmed and in Unicode NFC.
func Line(s string) (string, error) { return normalize(s, isJoiner) }

// Lines is Line for text that may have line breaks.
func Lines(s string) (string, error) {
	return normalize(s, func(before, r, after rune) bool {
		return r == '\n' || r == '\r' && after == '\n' || isJoiner(before, r, after)
	})
}

// Label is Line without joiners and variation selectors: labels that look alike are equal.
func Label(s string) (string, error) {
	return normalize(s, func(rune, rune, rune) bool { return false })
}

func normalize(s string, allowed func(before, r, after rune) bool) (string, error) {
	if !utf8.ValidString(s) {
		return "", errNotUTF8
	}
	text := strings.TrimSpace(norm.NFC.String(s))
	runes := []rune(text)
	at := func(i int) rune {
		if i < 0 || i >= len(runes) {
			return 0
		}
		return runes[i]
	}
	blank := text != ""
	for i, r := range runes {
		if isInvisible(r) && !allowed(at(i-1), r, at(i+1)) {
			return "", errInvisibleText
		}
		if unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) && r != brailleBlank {
			blank = false
		}
	}
	if blank {
		return "", errBlankText
	}
	return text, nil
}

const brailleBlank = '\u2800'

func isInvisible(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp,
		unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) &&
		!unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

func isVisible(r rune) bool { return !isInvisible(r) && !unicode.IsSpace(r) }

// isJoiner reports a ZWNJ or ZWJ between visible characters, or a variation selector behind one.
func isJoiner(before, r, after rune) bool {
	switch {
	case unicode.Is(unicode.Variation_Selector, r):
		return isVisible(before)
	case r == '\u200c' || r == '\u200d':
		return (isVisible(before) || unicode.Is(unicode.Variation_Selector, before)) && isVisible(after)
	}
	return false
}
