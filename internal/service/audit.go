package service

import (
	"context"
	"fmt"
	"slices"
	"time"

	"evently/internal/domain"
)

// AuditStore checks PostgreSQL.
type AuditStore interface {
	// Audit runs every check in one snapshot, calls begin with its name before, and returns up to limit violations
	// of each.
	Audit(ctx context.Context, grace time.Duration, limit int, begin func(check string)) ([]domain.Violation, error)
	// StrayLocks returns those of the locks that belong to no live booking.
	StrayLocks(ctx context.Context, locks []domain.HeldLock) ([]domain.HeldLock, error)
}

// LockLister lists seat locks.
type LockLister interface {
	// Lasting returns up to limit locks that last longer than grace, and whether there are more.
	Lasting(ctx context.Context, grace time.Duration, limit int) (locks []domain.HeldLock, more bool, err error)
}

// AuditRules are the bounds of an audit.
type AuditRules struct {
	Grace time.Duration // how long a hold may be overdue, and a lock without a hold may last
	Limit int           // violations of each check
	// Settle is how long a request may take from its seat locks to its hold: a lock without a hold is checked
	// again after that.
	Settle time.Duration
}

const maxLocks = 100_000

const checkSeatLocks = "seat_locks_agree"

// Audit checks the data in the stores. It only reads.
type Audit struct {
	store AuditStore
	locks LockLister
	rules AuditRules
}

// NewAudit returns an Audit. Without locks (nil) it does not check those.
func NewAudit(store AuditStore, locks LockLister, rules AuditRules) *Audit {
	return &Audit{store: store, locks: locks, rules: rules}
}

// AuditReport is the result of an audit.
type AuditReport struct {
	Checks     int // that were run
	Violations []domain.Violation
	MoreLocks  bool // than an audit checks
}

// Run runs every check and calls begin with its name before.
func (a *Audit) Run(ctx context.Context, begin func(check string)) (AuditReport, error) {
	var report AuditReport
	counted := func(check string) {
		report.Checks++
		begin(check)
	}
	var err error
	if report.Violations, err = a.store.Audit(ctx, a.rules.Grace, a.rules.Limit, counted); err != nil {
		return report, err
	}
	if a.locks == nil {
		return report, nil
	}
	begin(checkSeatLocks)
	stray, more, err := a.strayLocks(ctx)
	report.MoreLocks = more
	if err != nil {
		return report, err
	}
	report.Checks++
	for _, lock := range stray[:min(len(stray), a.rules.Limit)] {
		report.Violations = append(report.Violations, domain.Violation{
			Check:  checkSeatLocks,
			Detail: fmt.Sprintf("show %d seat %d has a seat lock that belongs to no live booking and lasts", lock.ShowID, lock.SeatID),
		})
	}
	return report, nil
}

// strayLocks returns the locks that belong to no booking, now and after Settle: a request sets its locks before it
// holds its seats, and releases them after the booking has ended.
func (a *Audit) strayLocks(ctx context.Context) (stray []domain.HeldLock, more bool, err error) {
	locks, more, err := a.locks.Lasting(ctx, a.rules.Grace, maxLocks)
	if err != nil || len(locks) == 0 {
		return nil, more, err
	}
	suspects, err := a.store.StrayLocks(ctx, locks)
	if err != nil || len(suspects) == 0 {
		return nil, more, err
	}
	timer := time.NewTimer(a.rules.Settle)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, more, context.Cause(ctx)
	}
	if locks, _, err = a.locks.Lasting(ctx, a.rules.Grace, maxLocks); err != nil {
		return nil, more, err
	}
	still := make(map[domain.HeldLock]bool, len(locks))
	for _, lock := range locks {
		still[lock] = true
	}
	suspects = slices.DeleteFunc(suspects, func(lock domain.HeldLock) bool { return !still[lock] })
	stray, err = a.store.StrayLocks(ctx, suspects)
	return stray, more, err
}
