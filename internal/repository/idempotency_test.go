package repository_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/testkit"
)

// A commit whose answer was lost on the way looks like a failure to whoever sent it. Giving the
// key back then must not throw away what was committed.
func TestGivingAKeyBackLeavesAnAnswerThatIsThere(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	claim := domain.Claim{UserID: testkit.NewUser(t, f.pool), Route: "POST /x", Key: "k", Token: "first"}
	hash := []byte("hash")
	begin := func() (*domain.StoredAnswer, error) {
		return f.store.ClaimKey(ctx, claim, hash, time.Minute, 24*time.Hour)
	}
	if answer, err := begin(); answer != nil || err != nil {
		t.Fatal(answer, err)
	}
	want := domain.StoredAnswer{Status: 200, Body: []byte(`{"a":1}`)}
	if err := f.store.RecordAnswer(ctx, &claim, want); err != nil {
		t.Fatal(err)
	}
	if err := f.store.ReleaseClaim(ctx, &claim); err != nil {
		t.Fatal(err)
	}
	claim.Token = "second"
	answer, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, answer); diff != "" {
		t.Error(diff)
	}
	// And what was told once is not told otherwise later.
	wantCode(t, f.store.RecordAnswer(ctx, &claim, domain.StoredAnswer{Status: 402, Body: []byte(`{}`)}), domain.ErrIdempotencyInProgress)
}

// A claim that ran out goes to one of those who want it, and only the owner can give it back.
func TestAClaimThatRanOutGoesToOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	claim := func(token string) domain.Claim {
		return domain.Claim{UserID: user, Route: "POST /x", Key: "k", Token: token}
	}
	if _, err := f.store.ClaimKey(ctx, claim("old"), nil, 0, 24*time.Hour); err == nil {
		t.Fatal("a request without a hash was let in")
	}
	hash := []byte("hash")
	if _, err := f.store.ClaimKey(ctx, claim("old"), hash, 0, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	const n = 10
	errs := make(chan error, n)
	for i := range n {
		go func() {
			_, err := f.store.ClaimKey(ctx, claim(string(rune('a'+i))), hash, time.Hour, 24*time.Hour)
			errs <- err
		}()
	}
	won := 0
	for range n {
		if err := <-errs; err == nil {
			won++
		} else {
			wantCode(t, err, domain.ErrIdempotencyInProgress)
		}
	}
	if won != 1 {
		t.Errorf("%d have the key", won)
	}
	old := claim("old")
	if err := f.store.ReleaseClaim(ctx, &old); err != nil {
		t.Fatal(err)
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM idempotency_keys`); n != 1 {
		t.Errorf("%d keys", n)
	}
}
