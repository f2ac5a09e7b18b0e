package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

func requestKey(user int64, key string) domain.RequestKey {
	return domain.RequestKey{UserID: user, Route: "POST /x", Key: key, Fingerprint: []byte("fingerprint")}
}

func (f fixture) keys(t *testing.T) int {
	t.Helper()
	return testkit.Value[int](t, f.pool, `SELECT count(*) FROM idempotency_keys`)
}

func TestKey_ParallelRequestsAreOneBooking(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	key := requestKey(user, "k")
	responses := make([]service.Response, 20)
	errs := race(len(responses), func(i int) (err error) {
		_, responses[i], err = f.lock(key, user, f.seats[0], f.seats[1])
		return err
	})
	if won, _ := count(t, errs, domain.ErrIdempotencyInProgress); won == 0 {
		t.Fatal("no request succeeded")
	}
	_, want, err := f.lock(key, user, f.seats[0], f.seats[1])
	if err != nil || !want.Replayed || want.Status != 200 {
		t.Fatalf("repeated: %+v, %v", want, err)
	}
	first := 0
	for i, got := range responses {
		if errs[i] != nil {
			continue
		}
		if !got.Replayed {
			first++
			got.Replayed = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if n := testkit.Value[int](t, f.pool, `SELECT count(*) FROM bookings`); first != 1 || n != 1 {
		t.Errorf("%d first responses, %d bookings", first, n)
	}
	f.audit(t)
}

// The first request waits for a seat: a repeat is told at once that it is running.
func TestKey_RepeatDoesNotWaitForTheFirst(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	key := requestKey(user, "k")
	tx, do := begin(t, f.pool)
	do(lockSeat, f.show, f.seats[0])
	first := start(t, f.pool, 1, func() error {
		_, _, err := f.lock(key, user, f.seats[0])
		return err
	})
	err := within(t, func() error {
		_, _, err := f.lock(key, user, f.seats[0])
		return err
	})
	wantCode(t, err, domain.ErrIdempotencyInProgress)
	end(t, tx.Rollback)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if _, response, err := f.lock(key, user, f.seats[0]); err != nil || !response.Replayed {
		t.Errorf("repeated afterwards: %+v, %v", response, err)
	}
}

func TestKey_OtherRequestIsRefused(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	key := requestKey(user, "k")
	if _, _, err := f.lock(key, user, f.seats[0]); err != nil {
		t.Fatal(err)
	}
	key.Fingerprint = []byte("another")
	_, _, err := f.lock(key, user, f.seats[1])
	wantCode(t, err, domain.ErrIdempotencyKeyReused)
	_, err = f.bookings.Replay(t.Context(), key)
	wantCode(t, err, domain.ErrIdempotencyKeyReused)
}

func TestKey_BelongsToItsUserAndRoute(t *testing.T) {
	t.Parallel()
	f := setup(t)
	crowd := users(t, f, 2)
	one, two := requestKey(crowd[0], "k"), requestKey(crowd[1], "k")
	elsewhere := one
	elsewhere.Route = "POST /y"
	two.Fingerprint, elsewhere.Fingerprint = []byte("two"), []byte("elsewhere")
	for i, key := range []domain.RequestKey{one, two, elsewhere} {
		if _, response, err := f.lock(key, key.UserID, f.seats[i]); err != nil || response.Replayed {
			t.Errorf("key %d: %+v, %v", i, response, err)
		}
	}
}

func TestKey_RefusalIsNotStored(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	taken := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	key := requestKey(user, "k")
	_, _, err := f.lock(key, user, f.seats[0])
	wantCode(t, err, domain.ErrSeatsUnavailable)
	if n := f.keys(t); n != 0 {
		t.Errorf("%d keys are stored", n)
	}
	if _, err := f.cancel(taken); err != nil {
		t.Fatal(err)
	}
	hold, response, err := f.lock(key, user, f.seats[0])
	if err != nil || response.Replayed {
		t.Fatalf("%+v, %v", response, err)
	}

	confirm := func() (service.Response, error) {
		_, response, err := call(requestKey(user, "c"), func(r service.Request) (service.Response, error) {
			return f.bookings.Confirm(context.Background(), user, hold.ID, r)
		})
		return response, err
	}
	_, err = confirm()
	wantCode(t, err, domain.ErrPaymentRequired)
	f.mustPay(t, hold)
	for _, replayed := range []bool{false, true} {
		if response, err := confirm(); err != nil || response.Replayed != replayed {
			t.Errorf("confirm after payment: %+v, %v", response, err)
		}
	}
}

// A refusal that ends an unpaid hold changes something, and yet may be repeated with the key.
func TestKey_RefusalIsStoredIfItGivesMoneyBack(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for i, paid := range []bool{false, true} {
		hold := f.mustHold(t, user, f.seats[i])
		if paid {
			f.mustPay(t, hold)
		}
		testkit.Expire(t, f.pool, hold.ID)
		_, response, err := call(requestKey(user, "k"), func(r service.Request) (service.Response, error) {
			return f.bookings.Confirm(context.Background(), user, hold.ID, r)
		})
		wantCode(t, err, domain.ErrHoldExpired)
		if n := f.keys(t); (n == 1) != paid || response.IsZero() == paid {
			t.Errorf("paid: %t: %d keys are stored, response %+v", paid, n, response)
		}
		if got := f.bookingStatus(t, hold.ID); got != "CANCELLED expired" {
			t.Errorf("the booking is %s", got)
		}
	}
}

func TestKey_TooManyOfAUser(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	old := requestKey(user, "1")
	testkit.Exec(t, f.pool, `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, response_status, response_body)
		SELECT $1, $2, n::text, $3, 200, '{}' FROM generate_series(1, 19999) n`, user, old.Route, old.Fingerprint)
	hold, _, err := f.lock(requestKey(user, "a"), user, f.seats[0])
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = f.lock(requestKey(user, "b"), user, f.seats[1])
	wantCode(t, err, domain.ErrTooManyKeys)
	if _, response, err := f.lock(old, user, f.seats[1]); err != nil || !response.Replayed {
		t.Errorf("a stored key: %+v, %v", response, err)
	}
	if _, err := f.cancel(hold); err != nil {
		t.Errorf("without a key: %v", err)
	}
	if _, _, err := f.lock(requestKey(testkit.NewUser(t, f.pool), "b"), user, f.seats[1]); err != nil {
		t.Errorf("another user: %v", err)
	}
}

func TestKey_OldResponseIsNotReplayedAndPurged(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	for i, key := range []string{"old", "new"} {
		if _, _, err := f.lock(requestKey(user, key), user, f.seats[i]); err != nil {
			t.Fatal(err)
		}
	}
	age := func() {
		testkit.Exec(t, f.pool, `UPDATE idempotency_keys SET created_at = now() - interval '24 hours' WHERE idempotency_key = 'old'`)
	}
	age()
	for _, replayed := range []bool{false, true} {
		if _, response, err := f.lock(requestKey(user, "old"), user, f.seats[2]); err != nil || response.Replayed != replayed {
			t.Errorf("an old key: %+v, %v", response, err)
		}
	}
	age()
	testkit.Exec(t, f.pool, `
		INSERT INTO idempotency_keys (user_id, route, idempotency_key, request_hash, response_status, response_body, created_at)
		SELECT $1, 'POST /x', 'old ' || n, '', 200, '', now() - interval '25 hours' FROM generate_series(1, 1000) n`, user)
	if n, err := f.bookings.PurgeKeys(t.Context()); n != 1001 || err != nil {
		t.Errorf("%d keys were purged, %v", n, err)
	}
	if n := f.keys(t); n != 1 {
		t.Errorf("%d keys are left", n)
	}
}

// A commit whose confirmation was lost looks like a failure. Releasing the key then leaves its response.
func TestKey_ReleaseLeavesAStoredResponse(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	stored, claimed := requestKey(user, "stored"), requestKey(user, "claimed")
	if _, _, err := f.lock(stored, user, f.seats[0]); err != nil {
		t.Fatal(err)
	}
	err := f.store.InTx(t.Context(), func(ctx context.Context) error {
		f.store.ClaimKey(ctx, claimed, time.Hour)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.bookings.Replay(t.Context(), claimed)
	wantCode(t, err, domain.ErrIdempotencyInProgress)
	err = f.store.InTx(t.Context(), func(ctx context.Context) error {
		f.store.ReleaseKey(ctx, stored)
		f.store.ReleaseKey(ctx, claimed)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if response, err := f.bookings.Replay(t.Context(), stored); err != nil || !response.Replayed {
		t.Errorf("stored: %+v, %v", response, err)
	}
	if response, err := f.bookings.Replay(t.Context(), claimed); err != nil || !response.IsZero() {
		t.Errorf("claimed: %+v, %v", response, err)
	}
}

func TestKey_ClaimThatRanOutGoesToOne(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	key := requestKey(user, "k")
	err := f.store.InTx(t.Context(), func(ctx context.Context) error {
		f.store.ClaimKey(ctx, key, 0)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	fresh := make([]bool, 10)
	errs := race(len(fresh), func(i int) error {
		_, response, err := f.lock(key, user, f.seats[0])
		fresh[i] = err == nil && !response.Replayed
		return err
	})
	count(t, errs, domain.ErrIdempotencyInProgress)
	won := 0
	for _, w := range fresh {
		if w {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d requests did the work", won)
	}
}

func TestKey_FailureLeavesNoTrace(t *testing.T) {
	t.Parallel()
	f := setup(t)
	user := testkit.NewUser(t, f.pool)
	broken := errors.New("broken")
	_, err := f.bookings.Lock(t.Context(), service.LockSeats{UserID: user, ShowID: f.show, SeatIDs: f.seats[:1]},
		service.Request{Key: requestKey(user, "k"), Encoder: &failingEncoder{err: broken}})
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if n := f.keys(t); n != 0 {
		t.Errorf("%d keys are stored", n)
	}
	if _, response, err := f.lock(requestKey(user, "k"), user, f.seats[0]); err != nil || response.Replayed {
		t.Errorf("%+v, %v", response, err)
	}
}

type failingEncoder struct {
	encoder
	err error
}

func (e *failingEncoder) Encode(domain.BookingDetails) (service.Response, error) {
	if e.err == nil {
		panic("on purpose")
	}
	return service.Response{}, e.err
}
