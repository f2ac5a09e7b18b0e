package service

import (
	"context"
	"fmt"
	"time"

	"evently/internal/domain"
)

// AuditStore is what an audit reads of PostgreSQL.
type AuditStore interface {
	// AuditEach checks every promise in one snapshot, up to limit violations of each.
	AuditEach(ctx context.Context, grace time.Duration, limit int, begin func(check string)) ([]domain.Violation, error)
	// StrayLocks gives those of the locks that belong to no booking that is alive.
	StrayLocks(ctx context.Context, locks []domain.HeldLock) ([]domain.HeldLock, error)
}

// LockLister lists seat locks.
type LockLister interface {
	// Lasting gives up to limit locks that last longer than grace, and whether there are more.
	Lasting(ctx context.Context, grace time.Duration, limit int) (locks []domain.HeldLock, more bool, err error)
}

// AuditRules are the bounds of an audit.
type AuditRules struct {
	// Grace is how long a hold may be overdue, and a lock without a hold may last.
	Grace time.Duration
	// Limit is how many violations of one promise are given.
	Limit int
	// Settle is how long a request may be between its seat locks and its hold: a lock that looks
	// astray is looked at again after that.
	Settle time.Duration
}

// maxLocks bounds how many seat locks one audit looks at.
const maxLocks = 100_000

// checkSeatLocks is the promise that seat locks agree with holds.
const checkSeatLocks = "seat_locks_agree"

// Audit checks every promise that the stores can show. It changes nothing.
type Audit struct {
	store AuditStore
	locks LockLister
	rules AuditRules
}

// NewAudit gives an Audit. Without locks (nil) those are not checked.
func NewAudit(store AuditStore, locks LockLister, rules AuditRules) *Audit {
	return &Audit{store: store, locks: locks, rules: rules}
}

// AuditReport is what an audit found.
type AuditReport struct {
	Checks     int // promises that were checked
	Violations []domain.Violation
	// MoreLocks tells that there were more seat locks than an audit looks at.
	MoreLocks bool
}

// Run checks everything, and calls begin with the name of each promise before it does. What was
// found until an error is in the report.
func (a *Audit) Run(ctx context.Context, begin func(check string)) (AuditReport, error) {
	var report AuditReport
	counted := func(check string) {
		report.Checks++
		begin(check)
	}
	var err error
	if report.Violations, err = a.store.AuditEach(ctx, a.rules.Grace, a.rules.Limit, counted); err != nil {
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

// strayLocks gives the locks that belong to no booking, now and a while later: a request sets its
// locks first and holds its seats then, and on the way out it is the other way round.
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
	remaining := suspects[:0]
	for _, lock := range suspects {
		if still[lock] {
			remaining = append(remaining, lock)
		}
	}
	if len(remaining) == 0 {
		return nil, more, nil
	}
	stray, err = a.store.StrayLocks(ctx, remaining)
	return stray, more, err
}
