package devstack

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// state is what one run leaves for the next: enough to find its cluster, to reuse its ports and
// to recognise its processes after a crash. The file is 0600, it holds the passwords.
type state struct {
	path string

	// Secret is Stack.Secret, and the URLs are those of the stack that runs or ran last.
	Secret      string `json:"secret,omitempty"`
	DatabaseURL string `json:"database_url,omitempty"`
	RedisURL    string `json:"redis_url,omitempty"`

	Postgres struct {
		// Home is the folder of the cluster and belongs to the user who runs it.
		Home     string `json:"home,omitempty"`
		Password string `json:"password,omitempty"`
		Port     int    `json:"port,omitempty"`
	} `json:"postgres"`
	Redis struct {
		Dir      string `json:"dir,omitempty"`
		Password string `json:"password,omitempty"`
		Port     int    `json:"port,omitempty"`
		PID      int    `json:"pid,omitempty"`
	} `json:"redis"`
}

func loadState(path string) (*state, error) {
	st := &state{path: path}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, st); err != nil {
		return nil, fmt.Errorf("%s is damaged (%w): delete %s to start afresh", path, err, filepath.Dir(path))
	}
	return st, nil
}

// save replaces the file in one step, so that a crash leaves the old or the new one.
func (st *state) save() error {
	raw, err := json.MarshalIndent(st, "", "  ") //nolint:gosec // the file is 0600
	if err != nil {
		return err
	}
	tmp := st.path + ".new"
	if err := os.WriteFile(tmp, append(raw, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, st.path)
}

func newPassword() string {
	var b [24]byte
	// crypto/rand.Read never fails: it ends the program instead.
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
