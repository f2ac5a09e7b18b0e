// Package schedule runs jobs by the clock. Every instance runs all of them.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/robfig/cron/v3"
)

// Entry is a job and its times.
type Entry struct {
	Name    string
	Spec    string // five cron fields, in UTC, or a descriptor such as "@every 30s"
	Timeout time.Duration
	// Run returns how many items it processed. It may run on several instances at once.
	Run func(ctx context.Context) (int, error)
	// AlreadyLogged reports errors that another component has logged: they are logged at debug. May be nil.
	AlreadyLogged func(err error) bool
}

// Recorder counts runs, with the result "ok" or "failed".
type Recorder interface {
	JobRan(entry, result string, count int, took time.Duration)
	JobSkipped(entry string)
}

// Schedule is a set of running entries.
type Schedule struct {
	cron   *cron.Cron
	cancel context.CancelFunc
}

// Start runs entries at their times until Stop. A run is skipped while the previous one of its entry runs.
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

// Stop waits for running runs. When ctx is done it cancels them, waits until they return, and fails.
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
	ctx     context.Context //nolint:containedctx // cron passes none to its jobs
	log     *slog.Logger
	running atomic.Bool

	recorder Recorder
}

func (j *job) Run() {
	if !j.running.CompareAndSwap(false, true) {
		j.recorder.JobSkipped(j.entry.Name)
		j.log.Warn("job skipped: previous run still running")
		return
	}
	defer j.running.Store(false)

	ctx, cancel := context.WithTimeout(j.ctx, j.entry.Timeout)
	defer cancel()
	start := time.Now()
	n, err := j.runEntry(ctx)
	took := time.Since(start)
	result := "ok"
	if err != nil {
		result = "failed"
	}
	j.recorder.JobRan(j.entry.Name, result, n, took)
	switch {
	case err != nil && errors.Is(context.Cause(j.ctx), context.Canceled):
		j.log.InfoContext(ctx, "job cancelled by shutdown", "count", n, "duration", took)
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

func (j *job) runEntry(ctx context.Context) (n int, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			j.log.ErrorContext(ctx, "panic", "cause", cause, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return j.entry.Run(ctx)
}
