package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

func TestParallel_AddsUpCountsAndErrors(t *testing.T) {
	t.Parallel()
	failure := errors.New("down")
	var calls atomic.Int64
	n, err := parallel(2, func(context.Context) (int, error) {
		if calls.Add(1) == 1 {
			return 3, nil
		}
		return 4, failure
	})(t.Context())
	if n != 7 || !errors.Is(err, failure) {
		t.Errorf("got %d, %v", n, err)
	}
}

func TestParallel_PanicReachesTheCallerWithItsStack(t *testing.T) {
	t.Parallel()
	defer func() {
		err, _ := recover().(error)
		if err == nil || !strings.Contains(err.Error(), "broken") || !strings.Contains(err.Error(), "sweep_internal_test.go") {
			t.Errorf("panic %v", err)
		}
	}()
	_, _ = parallel(2, func(context.Context) (int, error) { panic("broken") })(t.Context())
}
