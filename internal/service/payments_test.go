package service_test

import (
	"context"
	"errors"
	"testing"

	"evently/internal/domain"
	"evently/internal/service"
)

// teller is a payment provider that returns the same result each time.
type teller struct {
	charges, refunds int
	result           domain.ChargeResult
	err              error
}

func (p *teller) Charge(context.Context, domain.Charge) (domain.ChargeResult, error) {
	p.charges++
	return p.result, p.err
}

func (p *teller) Lookup(context.Context, string) (domain.ChargeResult, error) { return p.result, p.err }

func (p *teller) Refund(context.Context, string) error {
	p.refunds++
	return p.err
}

func (w *world) pay(ctx context.Context, key domain.RequestKey, provider service.PaymentProvider) (service.Response, error) {
	pay := service.Pay{UserID: buyer, BookingID: 1, Amount: 90000}
	return service.NewPayments(w.bookings(), provider).Pay(ctx, pay, w.request(key))
}

func unpaidHold() service.BookingState {
	state := paidHold()
	state.Payments = nil
	return state
}

// The first run of the transaction made an attempt and was rolled back; meanwhile another request with the
// key was answered. An attempt that is not on record must not be charged.
func TestPay_NothingIsChargedForAReplay(t *testing.T) {
	t.Parallel()
	w, provider := newWorld(), &teller{}
	w.store.booking = unpaidHold()
	w.store.begun = []service.Response{{}, {Status: 200}}
	response, err := w.pay(t.Context(), aKey, provider)
	if err != nil || !response.Replayed || provider.charges != 0 {
		t.Errorf("%+v, %v after %d charges", response, err, provider.charges)
	}
}

func TestPay_UnknownResultIsUnavailable(t *testing.T) {
	t.Parallel()
	w, provider := newWorld(), &teller{err: errDown}
	w.store.booking = unpaidHold()
	_, err := w.pay(t.Context(), aKey, provider)
	if !errors.Is(err, domain.ErrPaymentUnavailable) || !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	w.want(t, "commit payment_created", "payment failed", "commit")
}

func TestPay_PaidBookingIsNotCharged(t *testing.T) {
	t.Parallel()
	w, provider := newWorld(), &teller{}
	w.store.booking = paidHold()
	if response, err := w.pay(t.Context(), noKey, provider); err != nil || response.Status != 200 || provider.charges != 0 {
		t.Errorf("%+v, %v after %d charges", response, err, provider.charges)
	}
}

// A panic on a goroutine of its own would end the process.
func TestRefund_PanicIsReturned(t *testing.T) {
	t.Parallel()
	w := newWorld()
	_, err := service.NewPayments(w.bookings(), brokenProvider{}).Refund(t.Context())
	wantPanic(t, err)
}

type brokenProvider struct{ service.PaymentProvider }

func (brokenProvider) Refund(context.Context, string) error { panic("on purpose") }

func (s *store) ClaimRefunds(context.Context, int) ([]domain.DuePayment, error) {
	return make([]domain.DuePayment, 3), nil
}
