package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// progress returns a function that prints a step if w is a terminal.
func progress(w io.Writer, doing string) func(step string) {
	file, ok := w.(*os.File)
	if !ok {
		return func(string) {}
	}
	return progressOn(w, term.IsTerminal(int(file.Fd())), doing)
}

func progressOn(w io.Writer, terminal bool, doing string) func(step string) {
	if !terminal {
		return func(string) {}
	}
	return func(step string) { _, _ = fmt.Fprintf(w, "%s %s\n", doing, step) }
}
