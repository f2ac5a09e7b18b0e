package repository_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"evently/internal/domain"
	"evently/internal/testkit"
)

// What does not come in the time that its caller has is told as what it is, a database that does
// not answer, and not as a fault of ours. Who goes away is told nothing.
func TestOutOfTimeIsUnavailableAndGoneIsGone(t *testing.T) {
	t.Parallel()
	f := setup(t)
	booking := f.mustHold(t, testkit.NewUser(t, f.pool), f.seats[0])
	tx, err := f.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), `SELECT FROM bookings WHERE booking_id = $1 FOR UPDATE`, booking.ID); err != nil {
		t.Fatal(err)
	}

	late, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := f.store.ConfirmBooking(late, booking.UserID, booking.ID); !errors.Is(err, domain.ErrDatabaseUnavailable) {
		t.Errorf("out of time: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := f.store.ConfirmBooking(gone, booking.UserID, booking.ID)
		ended <- err
	}()
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) || errors.Is(err, domain.ErrDatabaseUnavailable) {
		t.Errorf("gone: %v", err)
	}
}
