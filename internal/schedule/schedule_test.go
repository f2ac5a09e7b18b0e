package schedule_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/schedule"
)

// setup returns a logger and its output, to be read after Stop.
func setup() (*slog.Logger, *bytes.Buffer) {
	var logged bytes.Buffer
	return slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug})), &logged
}

// recorded is a Recorder, to be read after Stop.
type recorded struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorded) JobRan(entry, result string, count int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf("%s %s %d %s", entry, result, count, took))
}

func (r *recorded) JobSkipped(entry string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, entry+" skipped")
}

func TestSchedule_RunsAreRecorded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, _ := setup()
		recorder := &recorded{}
		calls := 0
		s, err := schedule.Start(t.Context(), log, recorder, schedule.Entry{
			Name: "tidy", Spec: "@every 2s", Timeout: time.Minute,
			Run: func(context.Context) (int, error) {
				switch calls++; calls {
				case 1:
					<-time.After(3 * time.Second) // so the second run is skipped
					return 7, nil
				case 2:
					return 1, errors.New("unlucky")
				default:
					panic("broken")
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(9 * time.Second)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"tidy skipped", "tidy ok 7 3s", "tidy failed 1 0s", "tidy failed 0 0s"}
		if diff := cmp.Diff(want, recorder.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestSchedule_RunsUntilStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logged := setup()
		var runs atomic.Int32
		s, err := schedule.Start(t.Context(), log, &recorded{}, schedule.Entry{
			Name: "count", Spec: "@every 1s", Timeout: time.Minute,
			Run: func(context.Context) (int, error) { return int(runs.Add(1)) - 1, nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(3500 * time.Millisecond) // on the clock of synctest
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		<-time.After(time.Minute)
		if runs.Load() != 3 {
			t.Errorf("%d runs, want 3", runs.Load())
		}
		text := logged.String()
		if strings.Count(text, `level=DEBUG msg="job had nothing to do" job=count`) != 1 || strings.Count(text, "level=INFO msg=\"job done\"") != 2 {
			t.Errorf("logged %s", text)
		}
	})
}

func TestSchedule_SkipsARunWhileThePreviousOneRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logged := setup()
		var running, most atomic.Int32
		s, err := schedule.Start(t.Context(), log, &recorded{}, schedule.Entry{
			Name: "slow", Spec: "@every 1s", Timeout: time.Minute,
			Run: func(context.Context) (int, error) {
				most.Store(max(most.Load(), running.Add(1)))
				defer running.Add(-1)
				<-time.After(2500 * time.Millisecond)
				return 1, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Second)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if most.Load() != 1 || running.Load() != 0 {
			t.Errorf("%d at once, %d after Stop, want 1 and 0", most.Load(), running.Load())
		}
		if !strings.Contains(logged.String(), "skipped") {
			t.Errorf("logged %s", logged)
		}
	})
}

func TestSchedule_ErrorsAndPanicsAreLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logged := setup()
		runs := 0
		s, err := schedule.Start(t.Context(), log, &recorded{}, schedule.Entry{
			Name: "bad", Spec: "@every 1s", Timeout: time.Minute,
			Run: func(context.Context) (int, error) {
				if runs++; runs == 1 {
					panic("broken")
				}
				return 0, errors.New("unlucky")
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2500 * time.Millisecond)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		for _, want := range []string{`error="panic: broken"`, "msg=panic", "schedule_test.go", `error=unlucky`} {
			if !strings.Contains(logged.String(), want) {
				t.Errorf("no %s in %s", want, logged)
			}
		}
	})
}

func TestSchedule_TimeoutAndShutdownCancelARun(t *testing.T) {
	t.Parallel()
	untilDone := func(ctx context.Context) (int, error) {
		<-ctx.Done()
		return 0, context.Cause(ctx)
	}
	synctest.Test(t, func(t *testing.T) {
		log, logged := setup()
		s, err := schedule.Start(t.Context(), log, &recorded{}, schedule.Entry{Name: "long", Spec: "@every 10s", Timeout: time.Second, Run: untilDone})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(15 * time.Second)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if !strings.Contains(logged.String(), "deadline exceeded") {
			t.Errorf("logged %s", logged)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		log, logged := setup()
		s, err := schedule.Start(t.Context(), log, &recorded{}, schedule.Entry{Name: "long", Spec: "@every 1s", Timeout: time.Hour, Run: untilDone})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(1500 * time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("stopped with %v, want the deadline", err)
		}
		if !strings.Contains(logged.String(), "job cancelled by shutdown") {
			t.Errorf("logged %s", logged)
		}
	})
}

func TestStart_InvalidSpec(t *testing.T) {
	t.Parallel()
	log, _ := setup()
	if _, err := schedule.Start(t.Context(), log, &recorded{}, schedule.Entry{Name: "x", Spec: "* * * * * *"}); err == nil {
		t.Error("six fields are accepted")
	}
}

func TestSchedule_AlreadyLoggedErrorsAreLoggedAtDebug(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log, logged := setup()
		recorder := &recorded{}
		known, calls := errors.New("known"), 0
		s, err := schedule.Start(t.Context(), log, recorder, schedule.Entry{
			Name: "tidy", Spec: "@every 1s", Timeout: time.Minute,
			Run: func(context.Context) (int, error) {
				if calls++; calls == 1 {
					return 0, known
				}
				return 0, errors.New("unknown")
			},
			AlreadyLogged: func(err error) bool { return errors.Is(err, known) },
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(2500 * time.Millisecond)
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"tidy failed 0 0s", "tidy failed 0 0s"}, recorder.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		var levels []string
		for line := range strings.Lines(logged.String()) {
			if strings.Contains(line, "job failed") {
				levels = append(levels, strings.Fields(line)[1])
			}
		}
		if diff := cmp.Diff([]string{"level=DEBUG", "level=ERROR"}, levels); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
