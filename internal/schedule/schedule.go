// Package schedule runs the work that comes round by the clock. Every instance has its own
// clock, so each entry calls a use case that any number of instances may run at once.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
)

// Entry is one line of the cron table.
type Entry struct {
	Name string
	// Spec is five cron fields, in UTC, or a descriptor such as "@every 30s".
	Spec string
	// Timeout bounds one run.
	Timeout time.Duration
	// Run does the work and tells how many things it dealt with.
	Run func(ctx context.Context) (int, error)
	// AlreadyLogged reports errors that another component logs: they are logged at debug. May be nil.
	AlreadyLogged func(err error) bool
}

// Recorder hears of runs. Its methods return at once.
type Recorder interface {
	// JobRan tells of a run that ended with the result "ok" or "failed", and of how many things
	// it dealt with.
	JobRan(entry, result string, count int, took time.Duration)
	// JobSkipped tells of a run that was left out because the last one still went on.
	JobSkipped(entry string)
}

// Schedule is a running cron table.
type Schedule struct {
	cron   *cron.Cron
	cancel context.CancelFunc
}

// Start runs entries at their times until Stop. A run that is due while the last one of the same
// entry still goes on is left out. A spec that cannot be read is an error, and nothing runs.
func Start(ctx context.Context, log *slog.Logger, recorder Recorder, entries ...Entry) (*Schedule, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	table := cron.New(cron.WithLocation(time.UTC))
	for _, entry := range entries {
		job := &job{entry: entry, ctx: ctx, log: log.With("job", entry.Name), recorder: recorder}
		if _, err := table.AddJob(entry.Spec, job); err != nil {
			cancel()
			return nil, fmt.Errorf("the schedule %q of %s: %w", entry.Spec, entry.Name, err)
		}
	}
	table.Start()
	return &Schedule{cron: table, cancel: cancel}, nil
}

// Stop starts no more runs and waits for those that go on. When ctx is done they are cancelled,
// and still waited for: they heed it.
func (s *Schedule) Stop(ctx context.Context) error {
	done := s.cron.Stop().Done()
	defer s.cancel()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.cancel()
		<-done
		return fmt.Errorf("jobs were still running: %w", context.Cause(ctx))
	}
}

// job is an entry as cron runs it.
type job struct {
	entry   Entry
	ctx     context.Context //nolint:containedctx // cron gives its jobs none
	log     *slog.Logger
	running atomic.Bool

	recorder Recorder
}

// Run does one run of the entry.
func (j *job) Run() {
	if !j.running.CompareAndSwap(false, true) {
		j.recorder.JobSkipped(j.entry.Name)
		j.log.Warn("skipped: the last run is still going on")
		return
	}
	defer j.running.Store(false)

	ctx, cancel := context.WithTimeout(j.ctx, j.entry.Timeout)
	defer cancel()
	start := time.Now()
	n, err := j.safely(ctx)
	took := time.Since(start)
	result := "ok"
	if err != nil {
		result = "failed"
	}
	j.recorder.JobRan(j.entry.Name, result, n, took)
	switch {
	case err != nil && errors.Is(context.Cause(j.ctx), context.Canceled):
		j.log.InfoContext(ctx, "job cut short by the shutdown", "count", n, "duration", took)
	case err != nil && j.entry.AlreadyLogged != nil && j.entry.AlreadyLogged(err):
		j.log.DebugContext(ctx, "job failed", "count", n, "duration", took, "error", err.Error())
	case err != nil:
		j.log.ErrorContext(ctx, "job failed", "count", n, "duration", took, "error", err.Error())
	case n == 0:
		j.log.DebugContext(ctx, "job had nothing to do", "duration", took)
	default:
		j.log.InfoContext(ctx, "job done", "count", n, "duration", took)
	}
}

// safely runs the entry and makes an error of a panic: one bad run must not end the process.
func (j *job) safely(ctx context.Context) (n int, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return j.entry.Run(ctx)
}
