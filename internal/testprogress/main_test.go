package main

import (
	"io"
	"strings"
	"testing"
	"time"
)

const (
	passing = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Test":"TestGood","Output":"nobody needs this\n"}
{"Action":"pass","Package":"p","Test":"TestGood"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"pass","Package":"p","Elapsed":1.25}
`
	failing = `{"Action":"run","Package":"q","Test":"TestBad"}
{"Action":"output","Package":"q","Test":"TestBad","Output":"this is why\n"}
{"Action":"fail","Package":"q","Test":"TestBad"}
{"Action":"output","Package":"q","Output":"FAIL q\n"}
{"Action":"fail","Package":"q"}
`
	broken = `{"Action":"build-output","ImportPath":"r","Output":"r.go:1: syntax error\n"}
{"Action":"fail","Package":"r","FailedBuild":"r"}
`
	skipping = `{"Action":"output","Package":"s","Test":"TestNot","Output":"not here\n"}
{"Action":"skip","Package":"s","Test":"TestNot"}
{"Action":"pass","Package":"s"}
`
)

func TestFollow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in        string
		ok        bool
		want, not []string
	}{
		"pass":     {passing, true, []string{"ok   p   1.2 s", "1 tests passed, 0 failed, 0 skipped"}, []string{"nobody", "PASS"}},
		"fail":     {passing + failing, false, []string{"this is why\n", "FAIL q", "1 tests passed, 1 failed"}, nil},
		"build":    {passing + broken, false, []string{"syntax error"}, nil},
		"skip":     {skipping, true, []string{"not here", "0 tests passed, 0 failed, 1 skipped"}, nil},
		"not JSON": {"go: cannot find main module\n", true, []string{"cannot find main module"}, nil}, // go test itself fails
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			if ok := follow(strings.NewReader(tt.in), &out, nil); ok != tt.ok {
				t.Errorf("ok is %v", ok)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in:\n%s", want, &out)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q is in:\n%s", not, &out)
				}
			}
		})
	}
}

// lines hands each line that is printed to a channel.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestFollow_TellsWhatRuns(t *testing.T) {
	t.Parallel()
	in, feed := io.Pipe()
	tick, out := make(chan time.Time), make(lines, 100)
	ended := make(chan bool)
	go func() { ended <- follow(in, out, tick) }()
	tick <- time.Time{}
	tick <- time.Time{} // the first may come right behind a line
	if line := <-out; !strings.Contains(line, "compiling") {
		t.Errorf("before the first test: %s", line)
	}
	_, _ = io.WriteString(feed, `{"Action":"start","Package":"p"}`+"\n"+`{"Action":"run","Package":"p","Test":"TestSlow"}`+"\n")
	_, _ = io.WriteString(feed, `{"Action":"build-output","Output":"handled\n"}`+"\n")
	<-out
	tick <- time.Time{}
	tick <- time.Time{}
	if line := <-out; !strings.Contains(line, "at p TestSlow") {
		t.Errorf("while a test runs: %s", line)
	}
	_ = feed.Close()
	<-ended
}
