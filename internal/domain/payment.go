package domain

import "time"

// PaymentStatus is the state of one attempt to pay for a booking.
type PaymentStatus string

// A payment is created before money moves.
const (
	PaymentCreated       PaymentStatus = "created"
	PaymentSucceeded     PaymentStatus = "succeeded"
	PaymentFailed        PaymentStatus = "failed"
	PaymentRefundPending PaymentStatus = "refund_pending"
	PaymentRefunded      PaymentStatus = "refunded"
)

// Payment is one attempt to pay for a booking.
type Payment struct {
	ID         int64
	BookingID  int64
	AttemptKey string // identifies the attempt to the provider
	Amount     Money
	Status     PaymentStatus

	TransactionID     string // the provider's; empty until the charge succeeded
	CreatedAt         time.Time
	AttemptedAt       time.Time // when the provider was last asked to charge
	PaidAt            *time.Time
	RefundRequestedAt *time.Time
	RefundedAt        *time.Time
}

// GivenBack reports whether the money goes back, or has gone back, to the buyer.
func (p Payment) GivenBack() bool {
	return p.Status == PaymentRefundPending || p.Status == PaymentRefunded
}

// Charged returns the payment after the provider took the money at the time now.
func (p Payment) Charged(transactionID string, booking Booking, now time.Time) Payment {
	if p.Status != PaymentCreated && p.Status != PaymentFailed {
		return p
	}
	late := p.Status == PaymentFailed || booking.CheckPayable(now) != nil
	p.Status, p.TransactionID, p.PaidAt = PaymentSucceeded, transactionID, &now
	if late {
		p.Status, p.RefundRequestedAt = PaymentRefundPending, &now
	}
	return p
}

func (p Payment) Declined() Payment {
	if p.Status == PaymentCreated {
		p.Status = PaymentFailed
	}
	return p
}

// RefundRequested returns the succeeded payment of a booking that ends at the time now.
func (p Payment) RefundRequested(now time.Time) Payment {
	p.Status, p.RefundRequestedAt = PaymentRefundPending, &now
	return p
}

// Refunded returns the payment after the provider gave its money back. The store sets RefundedAt.
func (p Payment) Refunded() Payment {
	p.Status = PaymentRefunded
	return p
}

// DuePayment is a payment that a job has to look at, with the user of its booking.
type DuePayment struct {
	Payment
	UserID int64
}

// Charge is a request to a payment provider to take money.
type Charge struct {
	AttemptKey string // the provider charges once for each key, however often it is asked
	Amount     Money
	Method     string // how the buyer pays, in the provider's terms; empty for its default
}

// ChargeState is what a payment provider knows about an attempt.
type ChargeState string

// The states of a charge at the provider.
const (
	ChargeUnknown   ChargeState = "unknown" // the provider never saw it
	ChargeSucceeded ChargeState = "succeeded"
	ChargeDeclined  ChargeState = "declined"
)

// ChargeResult is the outcome of a charge at the provider.
type ChargeResult struct {
	State         ChargeState
	TransactionID string // of a charge that succeeded
}

// ErrPaymentUnavailable is a charge whose result is not known yet. Asking again resumes it.
var ErrPaymentUnavailable = &Error{
	Kind: KindUnavailable, Code: "payment_unavailable", Message: "The payment provider is not available right now", RetryAfter: 2 * time.Second,
}
