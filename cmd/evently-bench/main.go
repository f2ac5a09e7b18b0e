// Command evently-bench measures the service against what its stores and net/http can do on the
// same machine at the same time. Its figures are ratios of runs that alternate: a machine that is
// slow today is slow for both.
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

// clients is how many use the service at once, unless a scenario says otherwise.
const clients = 32

// bench is one run of the command.
type bench struct {
	rounds  int
	lasting time.Duration // of one measurement
	stack   *stack
	updates []seatUpdates // of each scenario that has any
	out     io.Writer
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

func run(ctx context.Context, args []string, out, errOut io.Writer) (err error) {
	flags := flag.NewFlagSet("evently-bench", flag.ContinueOnError)
	flags.SetOutput(errOut)
	var (
		pattern = flags.String("run", "", "run only the scenarios that match this `regexp`")
		quick   = flags.Bool("quick", false, "one short round each: to see that it works, not how fast it is")
		binary  = flags.String("binary", "bin/evently", "the `program` to measure")
		report  = flags.String("report", "", "write the results to this Markdown `file`, between its two marks")
		file    = flags.String("serve-file", "", "serve this `file` on $PORT as the yardstick does, and nothing else")
		port    = flags.String("port", "", "port of -serve-file")
		lasting = flags.Duration("t", 6*time.Second, "how long one measurement lasts")
		pprof   = flags.String("pprof", "", "let the service serve profiles on this `address`")
		env     = flags.String("env", "", "further `settings` of the service, NAME=value separated by spaces")
		rounds  = flags.Int("rounds", 3, "how often service and yardstick take turns")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *file != "" {
		return serveFile(ctx, *port, *file)
	}
	chosen, err := regexp.Compile(*pattern)
	if err != nil {
		return err
	}
	b := &bench{rounds: *rounds, lasting: *lasting, out: out}
	if *quick {
		b.rounds, b.lasting = 1, time.Second
	}
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if b.stack, err = startStack(ctx, *binary, log); err != nil {
		return err
	}
	b.stack.settings = strings.Fields(*env)
	if *pprof != "" {
		b.stack.settings = append(b.stack.settings, "PPROF_ADDR="+*pprof)
	}
	defer func() { err = errors.Join(err, b.stack.stop(context.WithoutCancel(ctx))) }()

	var results []result
	for _, s := range b.scenarios() {
		if !chosen.MatchString(s.name) || ctx.Err() != nil {
			continue
		}
		more, err := b.play(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		results = append(results, more...)
	}
	table := markdown(results) + updatesMarkdown(b.updates)
	if _, err := io.WriteString(out, "\n"+table); err != nil {
		return err
	}
	if *report == "" {
		return nil
	}
	return b.write(ctx, *report, table)
}
