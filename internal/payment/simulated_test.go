package payment_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"evently/internal/domain"
	"evently/internal/payment"
	"evently/internal/repository"
	"evently/internal/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func setup(t *testing.T) (*pgxpool.Pool, *repository.Store) {
	t.Helper()
	pool := testkit.Pool(t)
	return pool, repository.New(pool, repository.Options{AcquireTimeout: time.Minute, QueryTimeout: time.Minute})
}

func charge(key, method string) domain.Charge {
	return domain.Charge{AttemptKey: key, Amount: 45000, Method: method}
}

func TestSimulatedCharge_Outcomes(t *testing.T) {
	t.Parallel()
	_, store := setup(t)
	slow := time.Hour // a method that is named must not take it
	for name, c := range map[string]struct {
		provider *payment.Simulated
		method   string
		want     domain.ChargeState
	}{
		"by chance, always":    {payment.NewSimulated(store, 0, 1), "", domain.ChargeSucceeded},
		"by chance, never":     {payment.NewSimulated(store, 0, 0), "", domain.ChargeDeclined},
		"success by its name":  {payment.NewSimulated(store, slow, 0), payment.MethodSuccess, domain.ChargeSucceeded},
		"declined by its name": {payment.NewSimulated(store, slow, 1), payment.MethodDecline, domain.ChargeDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.provider.Charge(t.Context(), charge(name, c.method))
			if err != nil || got.State != c.want {
				t.Fatalf("%+v, %v, want %s", got, err, c.want)
			}
			if strings.HasPrefix(got.TransactionID, "txn_") != (c.want == domain.ChargeSucceeded) {
				t.Errorf("the transaction is %q", got.TransactionID)
			}
		})
	}
}

func TestSimulatedCharge_SameKeyHasTheSameResult(t *testing.T) {
	t.Parallel()
	pool, store := setup(t)
	provider := payment.NewSimulated(store, 0, 1)
	for first, then := range map[string]string{payment.MethodSuccess: payment.MethodDecline, payment.MethodDecline: payment.MethodSuccess} {
		want, err := provider.Charge(t.Context(), charge(first, first))
		if err != nil {
			t.Fatal(err)
		}
		for _, method := range []string{first, then, ""} {
			got, err := provider.Charge(t.Context(), charge(first, method))
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s, then %q: %v\n%s", first, method, err, diff)
			}
		}
		got, err := provider.Lookup(t.Context(), first)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Lookup: %v\n%s", err, diff)
		}
	}
	other, err := provider.Charge(t.Context(), charge("other", payment.MethodSuccess))
	if err != nil {
		t.Fatal(err)
	}
	if one, err := provider.Lookup(t.Context(), payment.MethodSuccess); err != nil || one.TransactionID == other.TransactionID {
		t.Errorf("two charges have one transaction (%v)", err)
	}
	if n := testkit.Value[int](t, pool, `SELECT count(*) FROM simulated_charges`); n != 3 {
		t.Errorf("%d charges are on record", n)
	}
}

func TestSimulatedCharge_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	_, store := setup(t)
	provider := payment.NewSimulated(store, time.Hour, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := provider.Charge(ctx, charge("k", "")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got, err := provider.Lookup(t.Context(), "k"); err != nil || got.State != domain.ChargeUnknown {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSimulatedLookup_UnknownCharge(t *testing.T) {
	t.Parallel()
	_, store := setup(t)
	got, err := payment.NewSimulated(store, 0, 1).Lookup(t.Context(), "k")
	if err != nil || got != (domain.ChargeResult{State: domain.ChargeUnknown}) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSimulatedRefund_IsIdempotent(t *testing.T) {
	t.Parallel()
	pool, store := setup(t)
	provider := payment.NewSimulated(store, 0, 1)
	for _, method := range []string{payment.MethodSuccess, payment.MethodDecline} {
		if _, err := provider.Charge(t.Context(), charge(method, method)); err != nil {
			t.Fatal(err)
		}
	}
	var times []time.Time
	for range 2 {
		if err := provider.Refund(t.Context(), payment.MethodSuccess); err != nil {
			t.Fatal(err)
		}
		times = append(times, testkit.Value[time.Time](t, pool, `SELECT refunded_at FROM simulated_charges WHERE state = 'succeeded'`))
	}
	if !times[0].Equal(times[1]) {
		t.Error("the charge was refunded twice")
	}
	for _, key := range []string{payment.MethodDecline, "unknown"} {
		if err := provider.Refund(t.Context(), key); err == nil {
			t.Errorf("%s: nothing was charged, and it is refunded", key)
		}
	}
}
