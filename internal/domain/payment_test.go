package domain_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"evently/internal/domain"
)

// payments are all states of a payment.
func payments() map[domain.PaymentStatus]domain.Payment {
	paid, requested, refunded := now.Add(-3*time.Minute), now.Add(-2*time.Minute), now.Add(-time.Minute)
	base := domain.Payment{ID: 1, BookingID: 2, AttemptKey: "pay_x", Amount: 45000}
	states := map[domain.PaymentStatus]domain.Payment{}
	for _, status := range []domain.PaymentStatus{
		domain.PaymentCreated, domain.PaymentFailed, domain.PaymentSucceeded, domain.PaymentRefundPending, domain.PaymentRefunded,
	} {
		p := base
		p.Status = status
		if status != domain.PaymentCreated && status != domain.PaymentFailed {
			p.TransactionID, p.PaidAt = "txn_old", &paid
		}
		if p.GivenBack() {
			p.RefundRequestedAt = &requested
		}
		if status == domain.PaymentRefunded {
			p.RefundedAt = &refunded
		}
		states[status] = p
	}
	return states
}

func TestPaymentCharged(t *testing.T) {
	t.Parallel()
	for status, before := range payments() {
		for name, booking := range states {
			want := before
			switch {
			case status == domain.PaymentCreated && name == "hold":
				want.Status, want.TransactionID, want.PaidAt = domain.PaymentSucceeded, "txn_new", &now
			case status == domain.PaymentCreated, status == domain.PaymentFailed:
				want.Status, want.TransactionID, want.PaidAt = domain.PaymentRefundPending, "txn_new", &now
				want.RefundRequestedAt = &now
			}
			if diff := cmp.Diff(want, before.Charged("txn_new", booking, now)); diff != "" {
				t.Errorf("%s payment of a booking that is %s (-want +got):\n%s", status, name, diff)
			}
		}
	}
}

func TestPaymentDeclined(t *testing.T) {
	t.Parallel()
	for status, before := range payments() {
		want := before
		if status == domain.PaymentCreated {
			want.Status = domain.PaymentFailed
		}
		if diff := cmp.Diff(want, before.Declined()); diff != "" {
			t.Errorf("%s payment (-want +got):\n%s", status, diff)
		}
	}
}

func TestPaymentRefund(t *testing.T) {
	t.Parallel()
	requested := payments()[domain.PaymentSucceeded].RefundRequested(now)
	if requested.Status != domain.PaymentRefundPending || requested.RefundRequestedAt == nil || !requested.RefundRequestedAt.Equal(now) {
		t.Errorf("RefundRequested returned %+v", requested)
	}
	if refunded := requested.Refunded(); refunded.Status != domain.PaymentRefunded || !refunded.RefundRequestedAt.Equal(now) {
		t.Errorf("Refunded returned %+v", refunded)
	}
}

func TestPaymentGivenBack(t *testing.T) {
	t.Parallel()
	for status, p := range payments() {
		want := status == domain.PaymentRefundPending || status == domain.PaymentRefunded
		if p.GivenBack() != want {
			t.Errorf("%s: GivenBack is %t", status, !want)
		}
	}
}
