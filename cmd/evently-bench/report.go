package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// markdown returns the results as a table, and how many targets were met.
func markdown(results []result) string {
	var b strings.Builder
	b.WriteString("| scenario | service | yardstick | ratio | target | met | p50 | p95 | p99 | CPU per request | peak memory |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|\n")
	met := 0
	for _, r := range results {
		verdict := "**missed**"
		if r.met() {
			verdict = "met"
			met++
		}
		ratio, target := fmt.Sprintf("%.2f", r.ratio), fmt.Sprintf("≥ %.2f", r.target)
		switch {
		case r.limit != "":
			ratio, target = "", "≤ "+r.limit
		case r.atMost:
			target = fmt.Sprintf("≤ %.2f", r.target)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n",
			r.what, r.value, r.yardstick, ratio, target, verdict,
			optional(r.p50, short), optional(r.p95, short), optional(r.p99, short), optional(r.cpu, short), optional(r.peak, megabytes))
	}
	fmt.Fprintf(&b, "\n%d of %d targets met.\n", met, len(results))
	return b.String()
}

// optional returns the text of a value, or "" for 0.
func optional[T ~int64](value T, text func(T) string) string {
	if value == 0 {
		return ""
	}
	return text(value)
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/(1<<20)) }

// short returns d with three or four digits.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}

// The results are written between these lines of the report.
const (
	reportBegin = "<!-- results: written by make bench -->\n"
	reportEnd   = "<!-- end of results -->\n"
)

// writeReport replaces the results in the file.
func writeReport(file, results string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := withResults(string(old), results)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(text), 0o644) //nolint:gosec // documentation
}

func withResults(report, results string) (string, error) {
	head, rest, found := strings.Cut(report, reportBegin)
	_, tail, ended := strings.Cut(rest, reportEnd)
	if !found || !ended {
		return "", fmt.Errorf("the lines %q and %q are missing", reportBegin, reportEnd)
	}
	return head + reportBegin + results + reportEnd + tail, nil
}

// conditions describes the machine and the settings.
func (b *bench) conditions() string {
	var text strings.Builder
	fmt.Fprintf(&text, "Measured %s on %s; %s/%s, %s; PostgreSQL %s with fsync and synchronous_commit on; Redis %s. "+
		"Medians of %d rounds of %s.\n\nSettings of the service that are not the defaults:",
		time.Now().UTC().Format(time.DateOnly), machine(), runtime.GOOS, runtime.GOARCH, runtime.Version(),
		b.stack.PostgresVersion, b.stack.RedisVersion, b.rounds, b.duration)
	for _, setting := range b.stack.settings() {
		fmt.Fprintf(&text, " `%s`", setting)
	}
	return text.String() + "\n"
}

// machine describes processors and memory.
func machine() string {
	model, memory := "unknown processor", ""
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, rest, found := strings.Cut(string(info), "model name\t: "); found {
			model, _, _ = strings.Cut(rest, "\n")
		}
	}
	if info, err := os.ReadFile("/proc/meminfo"); err == nil {
		var kb int
		if _, err := fmt.Sscanf(string(info), "MemTotal: %d kB", &kb); err == nil {
			memory = fmt.Sprintf(", %d GB", kb>>20)
		}
	}
	return fmt.Sprintf("%d processors (%s)%s", runtime.NumCPU(), model, memory)
}
