package redisoutage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestAnOutageIsOneLineAndItsEndAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		w := New(slog.New(slog.NewTextHandler(&log, nil)))
		answer := error(nil)
		send := w.ProcessHook(func(context.Context, redis.Cmder) error { return answer })
		sendMany := w.ProcessPipelineHook(func(context.Context, []redis.Cmder) error { return answer })
		expect := func(what string, down bool, lines int) {
			t.Helper()
			if err := send(t.Context(), nil); !errors.Is(err, answer) {
				t.Errorf("%s: the hook gives %v", what, err)
			}
			if err := sendMany(t.Context(), nil); !errors.Is(err, answer) {
				t.Errorf("%s: the hook gives %v", what, err)
			}
			if got := strings.Count(log.String(), "\n"); w.Down() != down || got != lines {
				t.Errorf("%s: down %t with %d lines, want %t with %d:\n%s", what, w.Down(), got, down, lines, &log)
			}
		}
		expect("an answer", false, 0)
		answer = redis.Nil
		expect("an answer that is an error", false, 0)
		answer = fmt.Errorf("send: %w", context.Canceled)
		expect("a caller who has left", false, 0)
		answer = &net.OpError{Op: "dial", Err: net.ErrClosed}
		expect("gone", true, 1)
		answer = io.EOF
		expect("still gone", true, 1)
		answer = nil
		expect("one connection works", true, 1)
		answer = redis.ErrPoolTimeout
		<-time.After(5 * time.Second)
		expect("another does not", true, 1)
		answer = nil
		<-time.After(settled + 1)
		expect("back", false, 2)
		if got := log.String(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "level=INFO") || !strings.Contains(got, "away=6s") {
			t.Errorf("the lines do not tell what happened:\n%s", got)
		}
		answer = context.DeadlineExceeded
		expect("two are late", false, 2)
		answer = redis.Nil
		expect("an answer", false, 2)
		answer = context.DeadlineExceeded
		expect("two more are late", false, 2)
		expect("and more in a row", true, 3)
	})
}
