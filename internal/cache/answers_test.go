package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"evently/internal/cache"
	"evently/internal/testkit"
)

// counter answers with how often it was asked.
type counter struct {
	asked atomic.Int64
	err   error
}

func (c *counter) ask(context.Context) (*cache.Body, error) {
	n := c.asked.Add(1)
	return cache.NewBody(fmt.Append(nil, n)), c.err
}

func answersAt(t *testing.T, options cache.Options) (*cache.Answers, *testkit.Clock) {
	t.Helper()
	clock := testkit.NewClock(time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC))
	options.MaxBytes, options.Now = max(options.MaxBytes, 10_000), clock.Now
	answers := cache.NewAnswers(options)
	t.Cleanup(answers.Close)
	return answers, clock
}

func want(t *testing.T, answers *cache.Answers, key string, c *counter, text string) {
	t.Helper()
	body, err := answers.Get(t.Context(), key, c.ask)
	if err != nil {
		t.Fatal(err)
	}
	if got := plainOf(body); got != text {
		t.Errorf("answer %s, want %s", got, text)
	}
}

func TestAnswersAreKeptForTheirAge(t *testing.T) {
	t.Parallel()
	answers, clock := answersAt(t, cache.Options{MaxAge: maxAge})
	c := &counter{}
	want(t, answers, "a", c, "1")
	clock.Advance(maxAge)
	want(t, answers, "a", c, "1")
	clock.Advance(1)
	want(t, answers, "a", c, "2")
	want(t, answers, "b", c, "3")

	clock.Advance(1)
	answers.Forget()
	clock.Advance(1)
	want(t, answers, "a", c, "4")
	c.err = errors.New("down")
	if _, err := answers.Get(t.Context(), "c", c.ask); !errors.Is(err, c.err) {
		t.Errorf("got %v", err)
	}
	c.err = nil
	want(t, answers, "c", c, "6")
}

// A change while the answer is made: those who came before it may have the old answer, and those
// who come behind it must not.
func TestAnAnswerFromBeforeAChangeIsNotForThoseBehindIt(t *testing.T) {
	t.Parallel()
	answers, clock := answersAt(t, cache.Options{MaxAge: time.Hour})
	started, goOn := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		body, err := answers.Get(context.Background(), "a", func(context.Context) (*cache.Body, error) {
			close(started)
			<-goOn
			return cache.NewBody([]byte("old")), nil
		})
		if err != nil || plainOf(body) != "old" {
			t.Errorf("the one who asked got %v", err)
		}
	})
	<-started
	clock.Advance(1)
	answers.Forget()
	clock.Advance(1)
	group.Go(func() {
		body, err := answers.Get(context.Background(), "a", func(context.Context) (*cache.Body, error) {
			return cache.NewBody([]byte("new")), nil
		})
		if err != nil || plainOf(body) != "new" {
			t.Errorf("behind the change: %v", err)
		}
	})
	close(goOn)
	group.Wait()
}

func TestAStampedeForAnAnswerAsksOnce(t *testing.T) {
	t.Parallel()
	answers, _ := answersAt(t, cache.Options{MaxAge: maxAge})
	c := &counter{}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if _, err := answers.Get(context.Background(), "a", c.ask); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if n := c.asked.Load(); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}
}

// The request that finds an old answer has it renewed and does not wait; no answer is given that is
// older than the age.
func TestAnswersAreRenewedBesideTheRequest(t *testing.T) {
	t.Parallel()
	answers, clock := answersAt(t, cache.Options{MaxAge: time.Minute, RenewAfter: 20 * time.Second})
	c := &counter{}
	want(t, answers, "a", c, "1")
	clock.Advance(20 * time.Second)
	want(t, answers, "a", c, "1")
	answers.Close() // the renewal is done
	want(t, answers, "a", c, "2")
	clock.Advance(30 * time.Second)
	want(t, answers, "a", c, "2") // there are no renewals any more
	clock.Advance(31 * time.Second)
	want(t, answers, "a", c, "3")
}

func TestAPanicFreesThoseWhoWait(t *testing.T) {
	t.Parallel()
	answers, _ := answersAt(t, cache.Options{MaxAge: maxAge})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = answers.Get(context.Background(), "a", func(context.Context) (*cache.Body, error) { panic("broken") })
	}()
	want(t, answers, "a", &counter{}, "1")
}

func TestTheMemoryOfAnswersIsBounded(t *testing.T) {
	t.Parallel()
	answers, _ := answersAt(t, cache.Options{MaxAge: time.Hour, MaxBytes: 10_000})
	c := &counter{}
	for i := range 100 {
		want(t, answers, fmt.Sprint(i), c, fmt.Sprint(i+1))
	}
	want(t, answers, "99", c, "100")
	want(t, answers, "0", c, "101")
}
