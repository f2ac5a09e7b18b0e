// Command testprogress reads the output of `go test -json` and prints what a person wants to see: a line for each
// package, the output of what failed, and every few seconds what is running.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// silence is how long nothing is printed while tests run.
const silence = 5 * time.Second

func main() {
	if !follow(os.Stdin, os.Stdout, time.NewTicker(silence).C) {
		os.Exit(1)
	}
}

// event is one line of `go test -json`: see `go doc test2json`.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64 // seconds
}

// follow prints until in ends, and reports whether nothing failed.
func follow(in io.Reader, out io.Writer, tick <-chan time.Time) bool {
	events := make(chan event)
	go func() {
		defer close(events)
		lines := bufio.NewScanner(in)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) != nil {
				e = event{Action: "build-output", Output: lines.Text() + "\n"} // of go itself
			}
			events <- e
		}
	}()
	p := progress{out: out, begin: time.Now(), output: map[string]*strings.Builder{}, running: map[string]string{}}
	for {
		select {
		case e, ok := <-events:
			if !ok {
				return p.end()
			}
			p.handle(e)
		case <-tick:
			p.tick()
		}
	}
}

type progress struct {
	out             io.Writer
	begin           time.Time
	quiet           bool                        // nothing was printed since the last tick
	passed, failed  int                         // tests
	broken, skipped int                         // packages, tests
	output          map[string]*strings.Builder // of a test that runs, by package and name
	running         map[string]string           // the test that began last, by package
}

func (p *progress) handle(e event) {
	name := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		p.print(e.Output)
	case "start":
		p.running[e.Package] = ""
	case "run", "cont":
		p.running[e.Package] = e.Test
	case "output":
		if strings.HasPrefix(e.Output, "=== ") { // RUN, PAUSE, CONT, NAME
			return
		}
		if p.output[name] == nil {
			p.output[name] = &strings.Builder{}
		}
		p.output[name].WriteString(e.Output)
	case "pass", "fail", "skip":
		p.finished(e, p.output[name])
		delete(p.output, name)
	}
}

func (p *progress) finished(e event, output *strings.Builder) {
	noTests := e.Action == "skip" && e.Test == "" // in the package
	if e.Action != "pass" && output != nil && !noTests {
		p.print(output.String())
	}
	switch {
	case e.Test == "":
		delete(p.running, e.Package)
		if e.Action == "fail" {
			p.broken++
		}
		if e.Action == "pass" {
			p.print(fmt.Sprintf("ok   %s   %.1f s\n", e.Package, e.Elapsed))
		}
	case e.Action == "pass":
		p.passed++
	case e.Action == "fail":
		p.failed++
	default:
		p.skipped++
	}
}

func (p *progress) tick() {
	if !p.quiet {
		p.quiet = true
		return
	}
	at := "compiling"
	if len(p.running) > 0 {
		var tests []string
		for _, name := range slices.Sorted(maps.Keys(p.running)) {
			tests = append(tests, strings.TrimSpace(name+" "+p.running[name]))
		}
		at = "at " + strings.Join(tests, ", ")
	}
	p.print(fmt.Sprintf("     %.0f s, %d tests passed; %s\n", time.Since(p.begin).Seconds(), p.passed, at))
}

func (p *progress) end() bool {
	p.print(fmt.Sprintf("%d tests passed, %d failed, %d skipped in %.0f s\n", p.passed, p.failed, p.skipped, time.Since(p.begin).Seconds()))
	return p.failed == 0 && p.broken == 0
}

func (p *progress) print(text string) {
	p.quiet = false
	_, _ = io.WriteString(p.out, text) // there is nowhere else to report it
}
