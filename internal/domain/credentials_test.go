package domain_test

import (
	"strings"
	"testing"

	"evently/internal/domain"
)

func TestParseEmail_NormalizedOrRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 60) + "@" + strings.Repeat("b.", 95) + "cc"
	for email, want := range map[string]string{
		"jo@example.com":         "jo@example.com",
		"Jo.Doe+tag@Example.COM": "Jo.Doe+tag@Example.COM",
		"o'hara@example.com":     "o'hara@example.com",
		"jörg@exämple.de":        "jörg@exämple.de",
		"jo\u0308rg@example.de":  "jörg@example.de",
		"a@b.c":                  "a@b.c",
		long:                     long,
		" jo@example.com":        "jo@example.com",
		"jo@example.com ":        "jo@example.com",
		"jo@example.com\n":       "jo@example.com",
		long + "x" + "y":         "",
		"":                       "",
		" ":                      "",
		"jo":                     "",
		"jo@":                    "",
		"@example.com":           "",
		"jo@localhost":           "",
		"jo@example..com":        "",
		".jo@example.com":        "",
		"jo@@example.com":        "",
		"jo@a@example.com":       "",
		"jo doe@example.com":     "",
		`"jo doe"@example.com`:   "",
		`"jo"@example.com`:       "",
		"Jo <jo@example.com>":    "",
		"jo(me)@example.com":     "",
		"jo@[127.0.0.1]":         "",
		"jo\x00@example.com":     "",
		"jo\u200b@example.com":   "",
		"jo\u200d@example.com":   "",
		"jo\u00a0@example.com":   "",
		"jo\xff@example.com":     "",
		"jo@example.com,x@y.z":   "",
	} {
		got, err := domain.ParseEmail(email)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("ParseEmail(%q) = %q, %v, want %q", email, got, err, want)
		}
	}
}

func TestEmailKey_SameForSpellingsOfOneAddress(t *testing.T) {
	t.Parallel()
	want := domain.EmailKey("jörg@example.com")
	for _, email := range []string{"JÖRG@EXAMPLE.COM", " Jo\u0308rg@example.com\n"} {
		if got := domain.EmailKey(email); got != want {
			t.Errorf("EmailKey(%q) = %q, want %q", email, got, want)
		}
	}
}

func TestCheckPassword_LengthIsInBytes(t *testing.T) {
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
		"12345678\x00":          false,
		"        ":              true,
	} {
		if err := domain.CheckPassword(password, domain.RoleUser); (err == nil) != want {
			t.Errorf("CheckPassword(%q): %v, want accepted: %v", password, err, want)
		}
	}
}

func TestCheckPassword_StaffNeedLongerOnes(t *testing.T) {
	t.Parallel()
	for _, role := range []domain.Role{domain.RoleStaff, domain.RoleAdmin} {
		if domain.CheckPassword("11 bytes...", role) == nil || domain.CheckPassword("12 bytes....", role) != nil {
			t.Errorf("%s: passwords of 11 and 12 bytes are not told apart", role)
		}
	}
}
