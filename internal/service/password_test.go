package service_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
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

func TestVerify_OnlyTheWholePasswordMatches(t *testing.T) {
	t.Parallel()
	passwords := newPasswords(t, service.PasswordsConfig{})
	const nul = "password\x00password" // to bcrypt the same as "password"
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
		"the password":          {hash("correct horse"), "correct horse", true},
		"another case":          {hash("correct horse"), "Correct horse", false},
		"one byte more":         {hash("correct horse"), "correct horses", false},
		"nothing":               {hash("correct horse"), "", false},
		"72 bytes":              {hash(longest), longest, true},
		"72 bytes and one more": {hash(longest), longest + "x", false},
		"NUL in the password":   {hash("password"), nul, false},
		"NUL in both":           {hash(nul), nul, false},
		"no hash":               {"", "correct horse", false},
		"text of the decoy":     {"", "nobody has this password", false},
		"malformed hash":        {"!", "!", false},
		"truncated hash":        {hash("correct horse")[:40], "correct horse", false},
	} {
		got, err := passwords.Verify(t.Context(), check.hash, check.password)
		if err != nil || got != check.want {
			t.Errorf("%s: %v, %v; want %v", name, got, err, check.want)
		}
	}
}

func TestNewPasswords_CostOutOfRangeIsAnError(t *testing.T) {
	t.Parallel()
	for _, cost := range []int{-1, 3, 32} {
		if _, err := service.NewPasswords(service.PasswordsConfig{Cost: cost}); err == nil {
			t.Errorf("cost %d: no error", cost)
		}
	}
}

// slowHash makes every hash of passwords wait for finish. It returns how many run.
func slowHash(passwords *service.Passwords, finish <-chan struct{}) *atomic.Int64 {
	var running atomic.Int64
	service.Replace(passwords, func() error {
		running.Add(1)
		defer running.Add(-1)
		<-finish
		return nil
	})
	return &running
}

func TestHash_BurstOfRegistrationsWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passwords := newPasswords(t, service.PasswordsConfig{Parallel: 1})
		finish := make(chan struct{})
		running := slowHash(passwords, finish)
		var calls sync.WaitGroup
		for range 120 {
			calls.Go(func() {
				if _, err := passwords.Hash(t.Context(), "correct horse"); err != nil {
					t.Error(err)
				}
			})
		}
		for range 120 {
			synctest.Wait()
			if got := running.Load(); got != 1 {
				t.Fatalf("%d hashes run at once, want 1", got)
			}
			finish <- struct{}{}
		}
		calls.Wait()
	})
}

func TestHash_QueueIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Two slots, and a wait in which each can do no more than two further hashes.
		passwords := newPasswords(t, service.PasswordsConfig{Parallel: 2, MaxWait: 20 * time.Millisecond})
		finish := make(chan struct{})
		running := slowHash(passwords, finish)
		var calls sync.WaitGroup
		var refused, done atomic.Int64
		call := func(i int) {
			var err error
			if i%2 == 0 {
				_, err = passwords.Hash(t.Context(), "correct horse")
			} else {
				_, err = passwords.Verify(t.Context(), "", "correct horse")
			}
			var coded *domain.Error
			switch {
			case err == nil:
				done.Add(1)
			case errors.As(err, &coded) && errors.Is(err, domain.ErrOverloaded) && coded.RetryAfter > 0:
				refused.Add(1)
			default:
				t.Errorf("%v, want overloaded with a time to retry", err)
			}
		}
		for range 2 { // the second time every slot and place is free again
			refused.Store(0)
			done.Store(0)
			for i := range 20 {
				calls.Go(func() { call(i) })
			}
			synctest.Wait()
			if running.Load() != 2 || refused.Load() != 14 {
				t.Errorf("%d hashes run and %d callers were refused, want 2 and 14", running.Load(), refused.Load())
			}
			for range 6 {
				finish <- struct{}{}
			}
			calls.Wait()
			if done.Load() != 6 {
				t.Errorf("%d hashes were made, want 6", done.Load())
			}
		}
	})
}

func TestHash_WaitEndsWithTimeoutOrContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passwords := newPasswords(t, service.PasswordsConfig{Parallel: 1, MaxWait: time.Minute})
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
		if waited := time.Since(start); waited != time.Minute { // exact: the clock is that of synctest
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
			t.Errorf("after the caller left: %v, want the cancellation alone", err)
		}
		close(finish)
		busy.Wait()
	})
}

// from returns a context of a request from addr.
func from(t *testing.T, addr string) context.Context {
	t.Helper()
	return domain.WithRequest(t.Context(), &domain.Request{ClientAddr: netip.MustParseAddr(addr)})
}

// One network fills the queue; logins of others are served next, and find a place in it.
func TestVerify_OneNetworkCannotStarveOthers(t *testing.T) {
	t.Parallel()
	for name, attacker := range map[string]func(i int) string{
		"one IPv4 address":           func(int) string { return "192.0.2.1" },
		"an IPv6 /48 with many /56s": func(i int) string { return fmt.Sprintf("2001:db8:0:%x00::1", i%256) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// One slot, and a wait in which it can do no more than 26 hashes.
				passwords := newPasswords(t, service.PasswordsConfig{Parallel: 1, MaxWait: 500 * time.Millisecond})
				finish := make(chan struct{})
				slowHash(passwords, finish)
				var calls sync.WaitGroup
				var attacks, refused atomic.Int64
				for i := range 300 {
					calls.Go(func() {
						switch _, err := passwords.Verify(from(t, attacker(i)), "", "guess"); {
						case err == nil:
							attacks.Add(1)
						case errors.Is(err, domain.ErrOverloaded):
							refused.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				synctest.Wait()
				if got := refused.Load(); got != 300-27 {
					t.Errorf("%d guesses were refused by a full queue, want %d", got, 300-27)
				}
				var logins atomic.Int64
				for _, client := range []string{"192.0.2.2", "2001:db8:1::1", "2001:db8:2::1"} {
					calls.Go(func() {
						if _, err := passwords.Verify(from(t, client), "", "password"); err != nil {
							t.Errorf("a login from %s: %v", client, err)
						}
						logins.Add(1)
					})
					synctest.Wait()
				}
				for range 5 { // the guess that runs, the next guess, and the logins
					finish <- struct{}{}
					synctest.Wait()
				}
				if logins.Load() != 3 || attacks.Load() != 2 {
					t.Errorf("%d logins and %d guesses were served, want 3 and 2", logins.Load(), attacks.Load())
				}
				close(finish)
				calls.Wait()
				if got := attacks.Load() + refused.Load(); got != 300 {
					t.Errorf("%d guesses have ended, want 300", got)
				}
			})
		})
	}
}

// A turn that comes to a caller who has left goes to the next one, and no place is lost.
func TestVerify_PlacesOfCallersWhoLeaveAreFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		passwords := newPasswords(t, service.PasswordsConfig{Parallel: 1, MaxWait: time.Minute})
		finish := make(chan struct{})
		running := slowHash(passwords, finish)
		var calls sync.WaitGroup
		for range 20 {
			gone, leave := context.WithCancel(from(t, "192.0.2.1"))
			for range 10 {
				calls.Go(func() { _, _ = passwords.Verify(gone, "", "x") })
			}
			synctest.Wait()
			finish <- struct{}{}
			leave() // at the same time as the turn of the next caller
			synctest.Wait()
			for running.Load() > 0 {
				finish <- struct{}{}
				synctest.Wait()
			}
			calls.Wait()
		}
		close(finish)
		if _, err := passwords.Verify(from(t, "192.0.2.2"), "", "x"); err != nil {
			t.Error(err)
		}
	})
}
