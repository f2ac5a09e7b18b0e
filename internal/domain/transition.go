package domain

import "time"

// BookingEvent names what a Transition did.
type BookingEvent string

// The events in the life of a booking and of its payments.
const (
	EventHeld            BookingEvent = "held"
	EventConfirmed       BookingEvent = "confirmed"
	EventCancelled       BookingEvent = "cancelled"
	EventExpired         BookingEvent = "expired"
	EventPaymentCreated  BookingEvent = "payment_created"
	EventPaymentResumed  BookingEvent = "payment_resumed"
	EventPaymentSettled  BookingEvent = "payment_settled"
	EventPaymentRefunded BookingEvent = "payment_refunded"
)

// Transition is one step of a booking, decided and to be saved: the booking and, for a payment event, the payment
// as they are afterwards.
type Transition struct {
	Event   BookingEvent
	Booking Booking
	Seats   []BookedSeat
	Payment *Payment
	Paid    bool          // whether a booking that ends, or is confirmed, had been paid for
	Overdue time.Duration // how long ago an expired hold had ended
}

func (t Transition) Lock() SeatLock {
	return SeatLock{ShowID: t.Booking.ShowID, SeatIDs: SeatIDs(t.Seats), Token: t.Booking.LockToken}
}

// Ends reports whether the booking loses its seats.
func (t Transition) Ends() bool { return t.Event == EventCancelled || t.Event == EventExpired }
