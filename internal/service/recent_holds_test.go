package service_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
	"evently/internal/testkit"
)

// till is a store that makes one hold, and remembers whether it was asked for it again.
type till struct {
	store
	hold   domain.Hold
	reads  int
	failed error                         // of whatever is stored
	record func() service.PayableBooking // nil records a payment that counts
}

func (s *till) HoldSeats(context.Context, service.NewHold) (domain.Hold, error) { return s.hold, nil }

func (s *till) BookingForPayment(context.Context, int64, int64) (service.PayableBooking, error) {
	s.reads++
	if s.record != nil {
		return s.record(), nil
	}
	return service.PayableBooking{Booking: s.hold.Booking}, s.failed
}

func (s *till) RecordPayment(_ context.Context, _, _ int64, transactionID string) (service.PayableBooking, error) {
	if s.failed != nil {
		return service.PayableBooking{}, s.failed
	}
	if s.record != nil {
		return s.record(), nil
	}
	return service.PayableBooking{Booking: s.hold.Booking, Paid: &domain.Payment{TransactionID: transactionID, Amount: s.hold.Amount}}, nil
}

func (s *till) ConfirmBooking(context.Context, int64, int64) (service.SettledBooking, error) {
	return service.SettledBooking{Booking: s.hold.Booking}, s.failed
}

func (s *till) CancelBooking(context.Context, int64, int64) (service.SettledBooking, error) {
	return service.SettledBooking{Booking: s.hold.Booking}, nil
}

func setupTill(t *testing.T) (*till, *service.Bookings, *testkit.Clock) {
	t.Helper()
	s := &till{hold: domain.Hold{Booking: domain.Booking{ID: 5, UserID: 1, ShowID: 7, Status: domain.BookingPending, Amount: 90000}}}
	clock := testkit.NewClock(time.Now())
	b := service.NewBookings(service.BookingDeps{
		Store: s, Locks: &gate{}, Payments: service.NewSimulatedPayments(0, 1), Recorder: s,
		Rules: service.BookingRules{HoldFor: time.Minute, MaxSeatsPerBooking: 3, RecordTimeout: time.Second},
		Log:   slog.New(slog.DiscardHandler), Now: clock.Now,
	})
	if _, err := b.Lock(t.Context(), 1, 7, []int64{1, 2}, nil); err != nil {
		t.Fatal(err)
	}
	return s, b, clock
}

func TestAHoldThatWasJustMadeIsPaidWithoutReadingIt(t *testing.T) {
	t.Parallel()
	s, b, _ := setupTill(t)
	if paid, err := b.Pay(t.Context(), 1, 5, 90000, service.OutcomeSuccess, nil); err != nil || paid.Amount != 90000 || s.reads != 0 {
		t.Errorf("%+v, %v after %d reads", paid, err, s.reads)
	}
}

func TestWhatIsRememberedOfAHoldIsNotTrustedTooFar(t *testing.T) {
	t.Parallel()
	pay := func(b *service.Bookings, user int64, amount domain.Money) error {
		_, err := b.Pay(context.Background(), user, 5, amount, service.OutcomeSuccess, nil)
		return err
	}
	for name, c := range map[string]struct {
		before func(b *service.Bookings, clock *testkit.Clock)
		user   int64
		amount domain.Money
		want   error
	}{
		"somebody else":     {user: 2, amount: 90000},
		"another amount":    {user: 1, amount: 1, want: domain.ErrAmountMismatch},
		"half its time":     {user: 1, amount: 90000, before: func(_ *service.Bookings, clock *testkit.Clock) { clock.Advance(30 * time.Second) }},
		"paid":              {user: 1, amount: 90000, before: func(b *service.Bookings, _ *testkit.Clock) { _ = pay(b, 1, 90000) }},
		"perhaps confirmed": {user: 1, amount: 90000, before: func(b *service.Bookings, _ *testkit.Clock) { _, _ = b.Confirm(t.Context(), 1, 5, nil) }},
		"perhaps cancelled": {user: 1, amount: 90000, before: func(b *service.Bookings, _ *testkit.Clock) { _, _ = b.Cancel(t.Context(), 1, 5, nil) }},
	} {
		s, b, clock := setupTill(t)
		if c.before != nil {
			c.before(b, clock)
		}
		if err := pay(b, c.user, c.amount); !errors.Is(err, c.want) || s.reads != 1 {
			t.Errorf("%s: %v after %d reads", name, err, s.reads)
		}
	}
}

// Another instance has cancelled the booking: the store says so when the charge is recorded.
func TestARememberedHoldThatIsOverTakesNoPayment(t *testing.T) {
	t.Parallel()
	s, b, _ := setupTill(t)
	s.record = func() service.PayableBooking {
		cancelled := s.hold.Booking
		cancelled.Status, cancelled.CancelReason = domain.BookingCancelled, domain.CancelledByUser
		return service.PayableBooking{Booking: cancelled}
	}
	if _, err := b.Pay(t.Context(), 1, 5, 90000, service.OutcomeSuccess, nil); !errors.Is(err, domain.ErrBookingNotPending) {
		t.Errorf("got %v", err)
	}
}

// While the store is away no charge is made that could not be recorded.
func TestNothingIsRememberedWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(b *service.Bookings) error{
		"another payment": func(b *service.Bookings) error {
			_, err := b.Pay(t.Context(), 1, 5, 90000, service.OutcomeSuccess, nil)
			return err
		},
		"a confirmation of another booking": func(b *service.Bookings) error {
			_, err := b.Confirm(t.Context(), 1, 6, nil)
			return err
		},
	} {
		s, b, _ := setupTill(t)
		s.failed = domain.ErrOverloaded
		if err := fail(b); !errors.Is(err, domain.ErrOverloaded) {
			t.Fatalf("%s: %v", name, err)
		}
		s.recorded = nil
		if _, err := b.Pay(t.Context(), 1, 5, 90000, service.OutcomeSuccess, nil); !errors.Is(err, domain.ErrOverloaded) || s.reads != 1 || s.recorded != nil {
			t.Errorf("%s: %v after %d reads, %v", name, err, s.reads, s.recorded)
		}
	}
}

// A charge is declined for a hold that is remembered, and that another instance has been paid for, or has ended.
func TestADeclinedChargeIsNotTheLastWord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now  func(booking *service.PayableBooking)
		want error
	}{
		"unpaid": {func(*service.PayableBooking) {}, domain.ErrPaymentDeclined},
		"paid":   {func(b *service.PayableBooking) { b.Paid = &domain.Payment{TransactionID: "before"} }, nil},
		"cancelled": {func(b *service.PayableBooking) {
			b.Status, b.CancelReason = domain.BookingCancelled, domain.CancelledByUser
		}, domain.ErrBookingNotPending},
	} {
		s, b, _ := setupTill(t)
		s.record = func() service.PayableBooking {
			booking := service.PayableBooking{Booking: s.hold.Booking}
			c.now(&booking)
			return booking
		}
		paid, err := b.Pay(t.Context(), 1, 5, 90000, service.OutcomeDecline, nil)
		if !errors.Is(err, c.want) || (err == nil) != (paid.TransactionID == "before") || s.reads != 1 {
			t.Errorf("%s: %+v, %v after %d reads", name, paid, err, s.reads)
		}
	}
}
