package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// markdown gives the results as one table.
func markdown(results []result) string {
	var b strings.Builder
	b.WriteString("| scenario | measured | yardstick | ratio | target | met | p50 | p95 | p99 | CPU per request | peak memory |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		bound, met := "≥", "yes"
		if r.atMost {
			bound = "≤"
		}
		if !r.met() {
			met = "**no**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s: %s | %.2f | %s %.2f | %s | %s | %s | %s | %s | %s |\n",
			r.what, r.value, r.against, r.measured, r.ratio, bound, r.target, met,
			cell(r.p50), cell(r.p95), cell(r.p99), cell(r.cpu), megabytes(r.peak))
	}
	return b.String()
}

func cell(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return round(d)
}

func megabytes(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d MB", n>>20)
}

// The results stand between these lines of the report; the rest of it is written by hand.
const (
	reportBegin = "<!-- results: written by make bench -->\n"
	reportEnd   = "<!-- end of results -->\n"
)

// write puts table, and what it was measured on, into the file.
func (b *bench) write(ctx context.Context, file, table string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(old), reportBegin)
	_, tail, ended := strings.Cut(rest, reportEnd)
	if !found || !ended {
		return errors.New(file + " has no marks around its results")
	}
	text := head + reportBegin + b.machine(ctx) + "\n" + table + reportEnd + tail
	return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // documentation
}

// machine tells what was measured, and on what.
func (b *bench) machine(context.Context) string {
	model, memory := "unknown processor", ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(info), "model name\t: "); found {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		if fields := strings.Fields(string(info)); len(fields) > 1 {
			var kb int
			if _, err := fmt.Sscan(fields[1], &kb); err == nil {
				memory = fmt.Sprintf(", %d GB", kb>>20)
			}
		}
	}
	return fmt.Sprintf("%s, %d processors (%s)%s; %s/%s, %s; PostgreSQL %s with fsync and synchronous_commit on; Redis %s. "+
		"Medians of %d rounds of %s.\n", time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), model, memory,
		runtime.GOOS, runtime.GOARCH, runtime.Version(), b.stack.PostgresVersion, b.stack.RedisVersion, b.rounds, b.lasting)
}
