package repository_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
)

var discard = slog.New(slog.DiscardHandler)

// encoder is a service.Encoder that keeps what it encoded.
type encoder struct {
	booking domain.BookingDetails
	refusal error
}

func (e *encoder) Encode(b domain.BookingDetails) (service.Response, error) {
	e.booking, e.refusal = b, nil
	return service.Response{Status: http.StatusOK, Body: fmt.Appendf(nil, `{"booking_id":%d}`, b.ID)}, nil
}

func (e *encoder) EncodeError(err error) service.Response {
	e.booking, e.refusal = domain.BookingDetails{}, err
	code := "internal"
	var coded *domain.Error
	if errors.As(err, &coded) {
		code = coded.Code
	}
	return service.Response{Status: http.StatusConflict, Body: fmt.Appendf(nil, `{"code":%q}`, code)}
}

// surroundings are Redis, the feed and the metrics of an instance. All seat locks succeed in them, so
// PostgreSQL alone decides.
type surroundings struct {
	mu       sync.Mutex
	released []domain.SeatLock
	wakes    int
	refunds  int
	expired  int
	results  []service.PaymentResult
}

func (s *surroundings) Acquire(context.Context, domain.SeatLock, time.Duration) ([]domain.TakenSeat, error) {
	return nil, nil
}

func (s *surroundings) Extend(context.Context, domain.SeatLock, time.Duration) error { return nil }

func (s *surroundings) Release(_ context.Context, locks ...domain.SeatLock) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.released = append(s.released, locks...)
	return nil
}

func (s *surroundings) End(context.Context, int64, int64, time.Time) error { return nil }
func (s *surroundings) Changed(domain.SeatChange)                          {}

func (s *surroundings) WakeRefunds(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakes++
	return nil
}

func (s *surroundings) SeatLock(service.LockLayer, service.LockOutcome) {}
func (s *surroundings) Hold(domain.BookingEvent)                        {}

func (s *surroundings) HoldReleased(time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expired++
}

func (s *surroundings) Payment(result service.PaymentResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results = append(s.results, result)
}

func (s *surroundings) Refund() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refunds++
}

// provider is the simulated provider, with faults.
type provider struct {
	service.PaymentProvider
	// charging is called before a charge, and charged after the provider has it on record.
	charging, charged func(charge domain.Charge) error

	mu        sync.Mutex
	refundErr error
	refunds   []string // attempt keys, as often as they were refunded
	asked     int      // Refund was called
}

func (p *provider) Charge(ctx context.Context, charge domain.Charge) (domain.ChargeResult, error) {
	if p.charging != nil {
		if err := p.charging(charge); err != nil {
			return domain.ChargeResult{}, err
		}
	}
	result, err := p.PaymentProvider.Charge(ctx, charge)
	if p.charged != nil {
		err = errors.Join(err, p.charged(charge))
	}
	return result, err
}

func (p *provider) Refund(ctx context.Context, attemptKey string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	if p.refundErr != nil {
		return p.refundErr
	}
	p.refunds = append(p.refunds, attemptKey)
	return p.PaymentProvider.Refund(ctx, attemptKey)
}

// refunded returns the attempts that were refunded, in the order of their keys.
func (p *provider) refunded() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.refunds))
}

// race runs n calls at once and returns their errors.
func race(n int, call func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wg.Wait()
	return errs
}
