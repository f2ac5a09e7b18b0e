package service

import (
	"errors"
	"time"

	"evently/internal/domain"
)

// payableHold is a hold that this instance made, which is what nearly every payment is for: what
// it must know of its booking need not be read again. Nothing is decided by it. When a charge is
// recorded, the store looks at the booking under its lock, and a charge that it cannot use any
// more, because another instance has cancelled it, say, is a refund from the start.
type payableHold struct {
	booking domain.Booking
	until   time.Time // from when on it is rather read
}

// holdGeneration is how many holds are remembered, and up to twice as many: they take about 2 MB.
const holdGeneration = 4096

// rememberHold remembers a hold for its payment, during the first half of its time: what may be over
// soon by the database's clock is not charged without a look. The half is counted from before the
// hold was made.
func (b *Bookings) rememberHold(hold domain.Hold, began time.Time) {
	b.holds.put(hold.ID, payableHold{booking: hold.Booking, until: began.Add(b.rules.HoldFor / 2)})
}

// noteStore forgets all holds when the store is away or overloaded: a charge that could not be recorded
// is not to be made. Payments then read their booking first, and are refused where that fails.
func (b *Bookings) noteStore(err error) {
	var coded *domain.Error
	if errors.As(err, &coded) && coded.Kind == domain.KindUnavailable {
		b.holds.clear()
	}
}

// recentHold gives a hold of the user that this instance made a while ago, if amount is its price.
func (b *Bookings) recentHold(userID, bookingID int64, amount domain.Money) (PayableBooking, bool) {
	hold, known := b.holds.get(bookingID)
	if !known || hold.booking.UserID != userID || hold.booking.Amount != amount || !b.now().Before(hold.until) {
		return PayableBooking{}, false
	}
	return PayableBooking{Booking: hold.booking}, true
}
