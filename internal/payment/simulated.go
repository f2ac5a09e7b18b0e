// Package payment has the payment providers. The simulated one keeps a ledger of its own, so that its side and
// ours can disagree as they can with a real provider.
package payment

import (
	"context"
	"crypto/rand"
	randv2 "math/rand/v2"
	"time"

	"evently/internal/domain"
)

// The methods of payment of the simulation. Without a method a charge succeeds by chance.
const (
	MethodSuccess = "success"
	MethodDecline = "decline"
)

// Ledger is the provider's own record of charges. Each method commits by itself.
type Ledger interface {
	// RecordCharge stores the result of a charge, or returns that of an earlier one with the same attempt key.
	RecordCharge(ctx context.Context, charge domain.Charge, result domain.ChargeResult) (domain.ChargeResult, error)
	// FindCharge returns the result of a charge, in the state domain.ChargeUnknown if there is none.
	FindCharge(ctx context.Context, attemptKey string) (domain.ChargeResult, error)
	RecordRefund(ctx context.Context, attemptKey string) error
}

// Simulated is a payment provider without money.
type Simulated struct {
	ledger      Ledger
	delay       time.Duration
	successRate float64
	chance      func() float64
}

// NewSimulated returns a provider that takes delay for a charge without a method, and then lets it succeed
// with the probability successRate, 0 to 1.
func NewSimulated(ledger Ledger, delay time.Duration, successRate float64) *Simulated {
	return &Simulated{ledger: ledger, delay: delay, successRate: successRate, chance: randv2.Float64}
}

// Name returns the provider's name.
func (*Simulated) Name() string { return "simulated" }

// Charge charges once per attempt key.
func (s *Simulated) Charge(ctx context.Context, charge domain.Charge) (domain.ChargeResult, error) {
	succeeds := charge.Method == MethodSuccess
	if charge.Method == "" {
		timer := time.NewTimer(s.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return domain.ChargeResult{}, context.Cause(ctx)
		}
		succeeds = s.chance() < s.successRate
	}
	result := domain.ChargeResult{State: domain.ChargeDeclined}
	if succeeds {
		result = domain.ChargeResult{State: domain.ChargeSucceeded, TransactionID: "txn_" + rand.Text()}
	}
	return s.ledger.RecordCharge(ctx, charge, result)
}

// Refund refunds a charge. It may be repeated.
func (s *Simulated) Refund(ctx context.Context, attemptKey string) error {
	return s.ledger.RecordRefund(ctx, attemptKey)
}

// Lookup returns the result of a charge.
func (s *Simulated) Lookup(ctx context.Context, attemptKey string) (domain.ChargeResult, error) {
	return s.ledger.FindCharge(ctx, attemptKey)
}
