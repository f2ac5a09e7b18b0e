package domain_test

import (
	"strings"
	"testing"

	"evently/internal/domain"
)

func TestValidEmail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 95) + "cc"
	for email, want := range map[string]bool{
		"jo@example.com":         true,
		"Jo.Doe+tag@Example.COM": true,
		"o'hara@example.com":     true,
		"jörg@exämple.de":        true,
		"a@b.c":                  true,
		long:                     true,
		long + "x" + "y":         false,
		"":                       false,
		"jo":                     false,
		"jo@":                    false,
		"@example.com":           false,
		"jo@localhost":           false,
		"jo@example..com":        false,
		".jo@example.com":        false,
		"jo@@example.com":        false,
		"jo@a@example.com":       false,
		" jo@example.com":        false,
		"jo@example.com ":        false,
		"jo@example.com\n":       false,
		"jo doe@example.com":     false,
		`"jo doe"@example.com`:   false,
		`"jo"@example.com`:       false,
		"Jo <jo@example.com>":    false,
		"jo(me)@example.com":     false,
		"jo@[127.0.0.1]":         false,
		"jo\x00@example.com":     false,
		"jo\u200b@example.com":   false,
		"jo\u00a0@example.com":   false,
		"jo\xff@example.com":     false,
		"jo@example.com,x@y.z":   false,
	} {
		if got := domain.ValidEmail(email); got != want {
			t.Errorf("ValidEmail(%q) = %v, want %v", email, got, want)
		}
	}
}

func TestValidPassword(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]bool{
		strings.Repeat("x", 7):  false,
		strings.Repeat("x", 8):  true,
		strings.Repeat("x", 72): true,
		strings.Repeat("x", 73): false,
		"ééé":                   false, // six bytes
		"éééé":                  true,  // eight bytes in four characters
		strings.Repeat("é", 36): true,
		strings.Repeat("é", 37): false, // 37 characters, 74 bytes
	} {
		if got := domain.ValidPassword(password); got != want {
			t.Errorf("ValidPassword of %d bytes = %v, want %v", len(password), got, want)
		}
	}
}
