package main

import (
	"bytes"
	"os"
	"testing"
)

func TestProgress_OnlyOnTerminals(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	progressOn(&out, true, "loading")("venue Hall")
	progressOn(&out, false, "loading")("venue Theater")
	if out.String() != "loading venue Hall\n" {
		t.Errorf("%q", &out)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	progress(write, "loading")("venue Hall")
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.ReadFrom(read); err != nil || out.String() != "loading venue Hall\n" {
		t.Errorf("pipe: %q, %v", &out, err)
	}
}
