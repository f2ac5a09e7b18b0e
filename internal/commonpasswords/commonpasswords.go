// Package commonpasswords has the passwords that are guessed first.
package commonpasswords

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
)

// list has the 10,000 commonest passwords of at least 8 bytes, a line each, from the list of zxcvbn-ts
// (language-common 4.1.3; LICENSE.txt).
//
//go:embed list.txt.gz
var list []byte

// Read returns the set of the passwords, in lower case. It is shared and must not be changed.
func Read() (map[string]bool, error) { return read() }

var read = sync.OnceValues(func() (map[string]bool, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(list))
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
})
