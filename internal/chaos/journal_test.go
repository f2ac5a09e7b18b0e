package chaos_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// journal writes every request and its response as a line of JSON. A nil journal writes nothing.
type journal struct {
	mu      sync.Mutex
	file    *os.File
	buffer  *bufio.Writer
	encoder *json.Encoder
}

// entry is one request.
type entry struct {
	From, To time.Time
	Client   int
	Request  string
	Key      string `json:",omitempty"`
	Body     json.RawMessage
	Status   int    // 0: no complete response
	Replayed bool   `json:",omitempty"`
	Response string `json:",omitempty"`
}

// openJournal creates the file at path, and its folder.
func openJournal(path string) (*journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	buffer := bufio.NewWriter(file)
	return &journal{file: file, buffer: buffer, encoder: json.NewEncoder(buffer)}, nil
}

func (j *journal) write(e entry) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.encoder.Encode(e) // the buffer keeps the first error for close
}

func (j *journal) close() error {
	if j == nil {
		return nil
	}
	if err := j.buffer.Flush(); err != nil {
		return err
	}
	return j.file.Close()
}
