package service

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"evently/internal/domain"
)

const (
	paymentBatch   = 100
	paymentWorkers = 8
	// giveUpAfter is after how many charge timeouts an attempt that the provider never saw has failed.
	giveUpAfter = 20
)

// SettleOpen asks the provider about attempts that were left open, by a crash say, and records the results: the
// payment succeeded if the hold is alive and is to be refunded if it is not. An attempt that the provider does not
// know fails 20 charge timeouts after it was last made.
func (p *Payments) SettleOpen(ctx context.Context) (int, error) {
	age := 2 * p.bookings.rules.ChargeTimeout
	return p.inBatches(ctx, p.settleOpen, func(ctx context.Context) ([]domain.DuePayment, error) {
		return p.bookings.deps.Store.ClaimOpenPayments(ctx, age, paymentBatch)
	})
}

func (p *Payments) settleOpen(ctx context.Context, open domain.DuePayment) error {
	charge, err := p.lookup(ctx, open.AttemptKey)
	if err != nil {
		return err
	}
	_, err = p.bookings.transact(ctx, Request{Encoder: noResponse{}}, func(ctx context.Context) (outcome, error) {
		return p.settle(ctx, open.UserID, open.Payment, charge)
	})
	if errors.Is(err, domain.ErrPaymentDeclined) || errors.Is(err, domain.ErrPaymentUnavailable) {
		return nil
	}
	return err
}

func (p *Payments) lookup(ctx context.Context, attemptKey string) (domain.ChargeResult, error) {
	ctx, cancel := context.WithTimeout(ctx, p.bookings.rules.ChargeTimeout)
	defer cancel()
	return p.provider.Lookup(ctx, attemptKey)
}

// Refund refunds what is to be refunded, and returns how many payments it looked at.
func (p *Payments) Refund(ctx context.Context) (int, error) {
	return p.inBatches(ctx, p.refund, func(ctx context.Context) ([]domain.DuePayment, error) {
		return p.bookings.deps.Store.ClaimRefunds(ctx, paymentBatch)
	})
}

func (p *Payments) refund(ctx context.Context, due domain.DuePayment) error {
	if err := p.refundAtProvider(ctx, due.AttemptKey); err != nil {
		return err
	}
	refunded := due.Refunded()
	change := domain.Transition{Event: domain.EventPaymentRefunded, Payment: &refunded}
	store := p.bookings.deps.Store
	err := store.InTx(ctx, func(ctx context.Context) error {
		store.Save(ctx, change)
		return nil
	})
	if err == nil {
		p.bookings.record(change)
	}
	return err
}

func (p *Payments) refundAtProvider(ctx context.Context, attemptKey string) error {
	ctx, cancel := context.WithTimeout(ctx, p.bookings.rules.ChargeTimeout)
	defer cancel()
	return p.provider.Refund(ctx, attemptKey)
}

// inBatches claims payments and works on them until none is left or ctx ends.
func (p *Payments) inBatches(ctx context.Context, work func(context.Context, domain.DuePayment) error,
	claim func(context.Context) ([]domain.DuePayment, error),
) (int, error) {
	total := 0
	for {
		due, err := claim(ctx)
		if err != nil {
			return total, err
		}
		total += len(due)
		if err := p.each(ctx, due, work); err != nil || len(due) < paymentBatch {
			return total, err
		}
	}
}

func (p *Payments) each(ctx context.Context, due []domain.DuePayment, work func(context.Context, domain.DuePayment) error) error {
	faults := make([]error, len(due))
	var group errgroup.Group
	group.SetLimit(paymentWorkers)
	for i, payment := range due {
		group.Go(func() error {
			if err := recovered(func() error { return work(ctx, payment) }); err != nil {
				faults[i] = fmt.Errorf("payment %d: %w", payment.ID, err)
			}
			return nil
		})
	}
	_ = group.Wait() // the work returns no error: faults has them
	return errors.Join(faults...)
}

type noResponse struct{}

func (noResponse) Encode(domain.BookingDetails) (Response, error) { return Response{}, nil }
func (noResponse) EncodeError(error) Response                     { return Response{} }
