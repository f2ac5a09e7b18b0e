package config

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strings"
)

// What a secret needs in production. Bits are estimated by entropy, which counts few: `openssl rand -hex 16` has 96, not 128.
const (
	minSecret        = 32 // bytes of JWT_SECRET: the size of an HS256 digest
	minSecretBits    = 40
	minAdminBits     = 20
	minGuessedWord   = 8 // bytes of a common password that is deleted, and the most
	maxGuessedWord   = 32
	minStorePassword = 8 // bytes
	minStoreBits     = 12
)

var (
	// exampleWords stand in the examples of this project.
	exampleWords = []string{"change-me", "change_me", "changeme", "example"}
	// guessedWords are tried first. They add nothing to what must be guessed.
	guessedWords = strings.NewReplacer(deleted(
		"access", "admin", "bits", "bit", "default", "development", "evently", "for", "jwt", "key", "knows", "least", "local", "long", "nobody",
		"password", "postgres", "production", "secret", "signing", "string", "super", "test", "that", "the", "this", "token", "very", "your",
		"-", "_", " ")...)
)

// deleted returns the pairs of a Replacer that deletes words.
func deleted(words ...string) []string {
	var pairs []string
	for _, word := range words {
		pairs = append(pairs, word, "")
	}
	return pairs
}

// weakness says what is wrong with a secret in production, or returns "".
func weakness(secret string, minBits float64, common map[string]bool) string {
	lower := strings.ToLower(secret)
	for _, word := range exampleWords {
		if strings.Contains(lower, word) {
			return "is one of the examples, which are public, or has a word of theirs: " + strings.Join(exampleWords, ", ")
		}
	}
	if common[lower] {
		return "is one of the 10,000 commonest passwords"
	}
	left := guessedWords.Replace(lower)
	if entropy(withoutWords(left, common)) < minBits {
		return "is too easy to guess: it repeats itself, counts up or down, has few different characters, or is made of the words that are tried first"
	}
	return ""
}

// withoutWords deletes from s, from left to right, the longest of the words that begin at each place.
func withoutWords(s string, words map[string]bool) string {
	var kept strings.Builder
	for i := 0; i < len(s); {
		n := min(len(s)-i, maxGuessedWord)
		for n >= minGuessedWord && !words[s[i:i+n]] {
			n--
		}
		if n < minGuessedWord {
			kept.WriteByte(s[i])
			n = 1
		}
		i += n
	}
	return kept.String()
}

// entropy estimates the bits that must be guessed: the bytes that do not follow from the ones before, times the Shannon
// entropy of a byte.
func entropy(secret string) float64 {
	counts, surprises := map[byte]float64{}, 0.0
	for i := range len(secret) {
		counts[secret[i]]++
		if !follows(secret, i) {
			surprises++
		}
	}
	perByte := 0.0
	for _, n := range counts {
		share := n / float64(len(secret))
		perByte -= share * math.Log2(share)
	}
	return surprises * perByte
}

// keyboard has the keys of a keyboard in the orders in which fingers walk over them.
const keyboard = "qwertyuiop asdfghjkl zxcvbnm 1q2w3e4r5t6y7u8i9o0p 1qaz2wsx3edc4rfv5tgb6yhn7ujm"

// follows reports whether the byte at i repeats the one before, is its neighbour in the alphabet or on the keyboard, or
// ends three bytes that stood there already.
func follows(s string, i int) bool {
	if i == 0 {
		return false
	}
	step := int(s[i]) - int(s[i-1])
	return -1 <= step && step <= 1 || strings.Contains(keyboard, s[i-1:i+1]) || i >= 2 && strings.Contains(s[:i], s[i-2:i+1])
}

// store is what the address of a PostgreSQL or Redis says.
type store struct {
	*url.URL
	host, password string
}

func parseStore(address string) (store, error) {
	u, err := url.Parse(address)
	if err != nil {
		return store{}, err
	}
	s := store{URL: u, host: cmp.Or(u.Hostname(), u.Query().Get("host"))}
	if s.password, _ = u.User.Password(); s.password == "" {
		s.password = u.Query().Get("password")
	}
	return s, nil
}

// weakness says what is wrong with the password of a store on another machine, or returns "".
func (s store) weakness(common map[string]bool) string {
	switch {
	case s.password == "" || loopback(s.host): // without one: a warning
		return ""
	case len(s.password) < minStorePassword:
		return fmt.Sprintf("must have at least %d bytes", minStorePassword)
	case s.password == s.User.Username():
		return "is the name of its user"
	}
	return weakness(s.password, minStoreBits, common)
}

// loopback reports whether host is this machine: by its name, address or a Unix socket.
func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasPrefix(host, "/") || err == nil && addr.IsLoopback()
}
