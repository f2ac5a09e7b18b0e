// Command evently-bench measures the service in production settings against yardsticks on the same
// machine. Service and yardstick take turns, so that a slow machine is slow for both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// clients is the number of concurrent clients unless a scenario has its own.
const clients = 32

// bench is one run of the command.
type bench struct {
	rounds   int
	duration time.Duration // of one measurement
	quick    bool
	stack    *stack
	updates  []seatUpdates
	out      io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "evently-bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	flags := flag.NewFlagSet("evently-bench", flag.ContinueOnError)
	flags.SetOutput(errOut)
	b := &bench{out: out}
	flags.IntVar(&b.rounds, "rounds", 3, "number of rounds, of which the median counts")
	flags.DurationVar(&b.duration, "duration", 6*time.Second, "duration of one measurement")
	flags.BoolVar(&b.quick, "quick", false, "one round of a second with little data, to see that everything works")
	var (
		pattern = flags.String("scenario", "", "run only the scenarios that match this `regexp`")
		list    = flags.Bool("list", false, "list the scenarios")
		binary  = flags.String("binary", "bin/evently", "the service's `program`")
		report  = flags.String("report", "", "write the results to this Markdown `file`")
		pprof   = flags.String("pprof", "", "have the service serve profiles on this `address`")
		env     = flags.String("env", "", "further `settings` of the service, NAME=value separated by spaces")

		port   = flags.String("port", "", "`port` of a yardstick server")
		memory = flags.String("serve-memory", "", "be the yardstick of reads: serve this `file` on -port")
		bare   = flags.Bool("serve-bare", false, "be the yardstick of bookings: serve the database DATABASE_URL on -port")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case *memory != "":
		return serveMemory(ctx, *port, *memory)
	case *bare:
		return serveBare(ctx, *port)
	}
	chosen, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	if b.quick {
		b.rounds, b.duration = 1, time.Second
	}
	if b.rounds < 1 || b.duration <= 0 {
		return errors.New("-rounds and -duration must be positive")
	}
	var scenarios []*scenario
	for _, s := range b.scenarios() {
		if chosen.MatchString(s.name) {
			scenarios = append(scenarios, s)
		}
	}
	if *list {
		for _, s := range scenarios {
			_, _ = fmt.Fprintf(out, "%-16s %s\n", s.name, s.what)
		}
		return nil
	}
	settings := strings.Fields(*env)
	if *pprof != "" {
		settings = append(settings, "PPROF_ADDR="+*pprof)
	}
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return b.runOnStack(ctx, scenarios, *binary, settings, *report, log)
}

func (b *bench) runOnStack(ctx context.Context, scenarios []*scenario, binary string, settings []string, report string, log *slog.Logger) (err error) {
	if b.stack, err = startStack(ctx, binary, settings, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.stack.stop(context.WithoutCancel(ctx))) }()

	var results []result
	var failures error
	for _, s := range scenarios {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		more, err := b.play(ctx, s)
		if err != nil {
			b.say("  failed: %v", err)
			failures = errors.Join(failures, fmt.Errorf("%s: %w", s.name, err))
		}
		results = append(results, more...)
	}
	results = append(results, peakMemory(results)...)
	text := b.conditions() + "\n" + markdown(results) + updatesMarkdown(b.updates)
	if _, err := io.WriteString(b.out, "\n"+text); err != nil {
		return err
	}
	if failures != nil || report == "" {
		return failures
	}
	return writeReport(report, text)
}

// scaled returns the size of a data set: n, or a tenth of it for -quick.
func (b *bench) scaled(n int) int {
	if b.quick {
		return n / 10
	}
	return n
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.out, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
