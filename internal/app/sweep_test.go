package app

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

func TestParallel_SumsCountsAndJoinsErrors(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	failure := errors.New("failure")
	n, err := parallel(3, func(context.Context) (int, error) {
		if calls.Add(1) == 2 {
			return 1, failure
		}
		return 10, nil
	})(t.Context())
	if n != 21 || !errors.Is(err, failure) {
		t.Errorf("got %d, %v, want 21 and the failure", n, err)
	}
}

func TestParallel_PanicIsAnErrorWithItsStack(t *testing.T) {
	t.Parallel()
	_, err := parallel(2, sweepThatPanics)(t.Context())
	if err == nil || !strings.Contains(err.Error(), "broken sweep") || !strings.Contains(err.Error(), "sweepThatPanics") {
		t.Errorf("got %v, want the panic with its stack", err)
	}
}

func sweepThatPanics(context.Context) (int, error) { panic("broken sweep") }
