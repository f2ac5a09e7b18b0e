package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// chargeKills counts kills between charge and record.
type chargeKills struct {
	kills    int // in which at least one charge was made and not recorded
	payments int // such charges
}

const (
	// payingBookings locks the bookings with an open attempt to pay, so that its result cannot be recorded.
	payingBookings = `
		SELECT booking_id
		FROM bookings
		WHERE EXISTS (SELECT FROM payments WHERE payments.booking_id = bookings.booking_id AND payments.status = 'created')
		FOR UPDATE SKIP LOCKED`

	// unrecordedCharges counts the successful charges of the locked bookings.
	unrecordedCharges = `
		SELECT count(*)
		FROM payments
		JOIN simulated_charges USING (attempt_key)
		WHERE payments.booking_id = ANY ($1) AND payments.status = 'created' AND simulated_charges.state = 'succeeded'`

	// waitingRoles returns the database users that wait for the locks of this connection.
	waitingRoles = `
		SELECT DISTINCT usename::text
		FROM pg_stat_activity
		WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))`

	// blockLimit is how long bookings are locked, below the query timeout of the instances.
	blockLimit = 900 * time.Millisecond
	// chargeTries is how often the fault waits for a charge.
	chargeTries = 4
)

// strikeCharge locks bookings that are being paid, waits for a charge that was made and cannot be
// recorded, and kills the instances that wait to record one.
func (f *faults) strikeCharge(ctx context.Context) string {
	for range chargeTries {
		killed, payments, err := f.killDuringCharge(ctx)
		if len(killed) > 0 {
			if payments > 0 {
				f.charges.kills++
				f.charges.payments += payments
			}
			f.kill(ctx, killed...)
			return fmt.Sprintf("%d instances with %d payments", len(killed), payments)
		}
		if err != nil {
			f.must(err)
			return ""
		}
		if ctx.Err() != nil {
			break
		}
	}
	return "not hit"
}

// killDuringCharge returns the instances that it killed, none if there was no charge in time, and the
// number of payments that were charged and not recorded then.
func (f *faults) killDuringCharge(ctx context.Context) (killed []*instance, payments int, err error) {
	ctx = context.WithoutCancel(ctx)
	tx, err := f.cluster.pool.Begin(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, tx.Rollback(ctx)) }()
	var bookings []int64
	for deadline := time.Now().Add(blockLimit); time.Now().Before(deadline); pause(ctx, 2*time.Millisecond) {
		more, err := queryAll[int64](ctx, tx, payingBookings)
		if err != nil {
			return nil, 0, err
		}
		bookings = append(bookings, more...)
		if len(bookings) == 0 {
			continue
		}
		if payments, err = unrecorded(ctx, tx, bookings); err != nil {
			return nil, 0, err
		}
		waiting, err := queryAll[string](ctx, tx, waitingRoles)
		if err != nil {
			return nil, 0, err
		}
		if payments == 0 || len(waiting) == 0 {
			continue
		}
		for _, i := range f.cluster.all {
			for _, role := range waiting {
				if role == i.role {
					i.kill()
					killed = append(killed, i)
				}
			}
		}
		payments, err = unrecorded(ctx, tx, bookings)
		return killed, payments, err
	}
	return nil, 0, nil
}

func unrecorded(ctx context.Context, tx pgx.Tx, bookings []int64) (count int, err error) {
	err = tx.QueryRow(ctx, unrecordedCharges, bookings).Scan(&count)
	return count, err
}

func queryAll[T any](ctx context.Context, tx pgx.Tx, sql string) ([]T, error) {
	rows, err := tx.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[T])
}
