package domain

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a password in bytes. bcrypt reads no more than 72 of them.
const (
	MinPassword = 8
	MaxPassword = 72
)

// maxEmail is the longest address that mail can be sent to, in characters (RFC 5321).
const maxEmail = 254

// ValidPassword reports whether password may be chosen.
func ValidPassword(password string) bool {
	return len(password) >= MinPassword && len(password) <= MaxPassword
}

// ValidEmail reports whether email is a plain address such as jo@example.com: no name, comment,
// quoting or blank around or in it, nothing invisible, and a host that has a dot. An address
// is taken as it is written, never trimmed: the one who signs in must write it the same way.
func ValidEmail(email string) bool {
	if utf8.RuneCountInString(email) > maxEmail || strings.ContainsFunc(email, notInEmail) {
		return false
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email {
		return false
	}
	host := email[strings.LastIndexByte(email, '@')+1:]
	return strings.Contains(host, ".")
}

func notInEmail(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(` "(),:;<>[\]`, r)
}
