package service

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"evently/internal/domain"
)

// NewEmailHash returns a function from emails to what the log has in their place: equal for the spellings of one account, and
// useless without secret to find out whose it is.
func NewEmailHash(secret string) (func(email string) string, error) {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "evently: emails in the log", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of email hashes: %w", err)
	}
	return func(email string) string {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(domain.EmailKey(email))) // never fails
		return hex.EncodeToString(mac.Sum(nil)[:16])
	}, nil
}
