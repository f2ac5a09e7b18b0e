package domain

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a password in bytes. bcrypt reads no more than 72 of them.
const (
	MinPassword      = 8
	MinStaffPassword = 12 // of staff and admins
	MaxPassword      = 72
)

// maxEmail is the longest address that mail can be sent to, in characters (RFC 5321).
const maxEmail = 254

// CheckPassword returns an error if a user with the role may not choose the password.
func CheckPassword(password string, role Role) error {
	shortest := MinPassword
	if role != RoleUser {
		shortest = MinStaffPassword
	}
	if len(password) < shortest || len(password) > MaxPassword {
		return fmt.Errorf("must have %d to %d bytes", shortest, MaxPassword)
	}
	if hasNUL(password) {
		return errors.New("must not have a NUL")
	}
	return nil
}

// HashablePassword reports whether bcrypt compares all of password.
func HashablePassword(password string) bool {
	return len(password) <= MaxPassword && !hasNUL(password)
}

func hasNUL(s string) bool { return strings.IndexByte(s, 0) >= 0 }

var errEmail = errors.New("must be an email address")

// ParseEmail returns email as it is stored: trimmed and in NFC.
func ParseEmail(email string) (string, error) {
	email, err := Label(email)
	if err != nil || utf8.RuneCountInString(email) > maxEmail || strings.ContainsFunc(email, notInEmail) {
		return "", errEmail
	}
	address, err := mail.ParseAddress(email)
	if err != nil || address.Address != email {
		return "", errEmail
	}
	if host := email[strings.LastIndexByte(email, '@')+1:]; !strings.Contains(host, ".") {
		return "", errEmail
	}
	return email, nil
}

func notInEmail(r rune) bool {
	return r == utf8.RuneError || !unicode.IsPrint(r) || strings.ContainsRune(` "(),:;<>[\]`, r)
}

// EmailKey returns the form in which emails are compared.
func EmailKey(email string) string { return Fold(strings.TrimSpace(email)) }
