package service_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	"evently/internal/domain"
	"evently/internal/service"
)

func newPasswords(t testing.TB, config service.PasswordsConfig) *service.Passwords {
	t.Helper()
	if config.Cost == 0 {
		config.Cost = bcrypt.MinCost
	}
	passwords, err := service.NewPasswords(config)
	if err != nil {
		t.Fatal(err)
	}
	return passwords
}

func TestPasswordsMatchOnlyThemselves(t *testing.T) {
	t.Parallel()
	passwords := newPasswords(t, service.PasswordsConfig{})
	longest := strings.Repeat("x", 72)
	hash := func(password string) string {
		hash, err := passwords.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	for name, check := range map[string]struct {
		hash, password string
		want           bool
	}{
		"the password":           {hash("correct horse"), "correct horse", true},
		"another case":           {hash("correct horse"), "Correct horse", false},
		"one byte more":          {hash("correct horse"), "correct horses", false},
		"nothing":                {hash("correct horse"), "", false},
		"72 bytes":               {hash(longest), longest, true},
		"72 bytes and one more":  {hash(longest), longest + "x", false},
		"no hash":                {"", "correct horse", false},
		"the decoy's own text":   {"", "nobody has this password", false},
		"a hash that is not one": {"!", "!", false},
		"a hash that is cut off": {hash("correct horse")[:40], "correct horse", false},
	} {
		got, err := passwords.Verify(t.Context(), check.hash, check.password)
		if err != nil || got != check.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, check.want)
		}
	}
}

func TestNewPasswordsRefusesACostThatBcryptLacks(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{-1, 3, 32} {
		if _, err := service.NewPasswords(service.PasswordsConfig{Cost: cost}); err == nil {
			t.Errorf("cost %d: no error", cost)
		}
	}
}

func TestHashesAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passwords := newPasswords(t, service.PasswordsConfig{Parallel: 2, Queue: 3})
		var running, peak, refused atomic.Int64
		finish := make(chan struct{})
		service.Replace(passwords, func() error {
			now := running.Add(1)
			defer running.Add(-1)
			peak.Store(max(peak.Load(), now))
			<-finish
			return nil
		})
		var calls sync.WaitGroup
		for i := range 20 {
			calls.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = passwords.Hash(t.Context(), "correct horse")
				} else {
					_, err = passwords.Verify(t.Context(), "", "correct horse")
				}
				var coded *domain.Error
				switch {
				case err == nil:
				case errors.As(err, &coded) && errors.Is(err, domain.ErrOverloaded) && coded.RetryAfter > 0:
					refused.Add(1)
				default:
					t.Errorf("%v, want overloaded with a time to retry", err)
				}
			})
		}
		synctest.Wait() // all that can move has moved: two run, three wait, the others were refused
		if got := running.Load(); got != 2 {
			t.Errorf("%d hashes run, want 2", got)
		}
		if got := refused.Load(); got != 15 {
			t.Errorf("%d callers were refused, want 15", got)
		}
		for range 5 {
			finish <- struct{}{}
			synctest.Wait()
		}
		calls.Wait()
		if got := peak.Load(); got != 2 {
			t.Errorf("%d hashes ran at once, want 2", got)
		}

		// Every slot and every place in the queue came back.
		refused.Store(0)
		for range 5 {
			calls.Go(func() {
				if _, err := passwords.Hash(t.Context(), "correct horse"); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(finish)
		calls.Wait()
	})
}

func TestWaitingForAHashEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passwords := newPasswords(t, service.PasswordsConfig{Parallel: 1, Queue: 8, MaxWait: time.Minute})
		finish := make(chan struct{})
		service.Replace(passwords, func() error { <-finish; return nil })
		var busy sync.WaitGroup
		busy.Go(func() {
			if _, err := passwords.Hash(t.Context(), "correct horse"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()

		start := time.Now()
		if _, err := passwords.Hash(t.Context(), "correct horse"); !errors.Is(err, domain.ErrOverloaded) {
			t.Errorf("after the longest wait: %v, want overloaded", err)
		}
		if waited := time.Since(start); waited != time.Minute { // of the bubble's clock: exact
			t.Errorf("waited %s, want 1m", waited)
		}
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := passwords.Verify(late, "", "x"); !errors.Is(err, domain.ErrOverloaded) {
			t.Errorf("after the request's own time: %v, want overloaded", err)
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if _, err := passwords.Verify(gone, "", "x"); !errors.Is(err, context.Canceled) || errors.Is(err, domain.ErrOverloaded) {
			t.Errorf("for a caller who left: %v, want the cancellation alone", err)
		}
		close(finish)
		busy.Wait()
	})
}
