package service

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
)

// commonPasswords are the 10,000 commonest passwords of at least 8 bytes, a line each, from the list of
// zxcvbn-ts (language-common 4.1.3; common_passwords.LICENSE.txt).
//
//go:embed common_passwords.txt.gz
var commonPasswords []byte

// CommonPasswords returns the set of the commonest passwords, in lower case.
func CommonPasswords() (map[string]bool, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(commonPasswords))
	if err != nil {
		return nil, fmt.Errorf("read the common passwords: %w", err)
	}
	text, err := io.ReadAll(unzipped)
	if err != nil {
		return nil, fmt.Errorf("read the common passwords: %w", err)
	}
	set := make(map[string]bool, 10_000)
	for line := range strings.Lines(string(text)) {
		set[strings.TrimRight(line, "\n")] = true
	}
	return set, nil
}
