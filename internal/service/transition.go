package service

import (
	"context"
	"errors"
	"time"

	"evently/internal/domain"
)

// Response is an encoded response. The zero Response stands for none.
type Response struct {
	Status   int
	Body     []byte
	Replayed bool // it was stored by an earlier request with the same idempotency key
}

func (r Response) IsZero() bool { return r.Status == 0 }

// Replay is the error that ends the transaction of a request which was answered before.
type Replay struct{ Response Response }

func (*Replay) Error() string { return "the response is stored" }

// Encoder encodes the outcome of a request, inside the transaction that stores it.
type Encoder interface {
	Encode(booking domain.BookingDetails) (Response, error)
	EncodeError(err error) Response
}

// Request is what every booking request carries: how its response is encoded, and its idempotency key.
type Request struct {
	Key     domain.RequestKey
	Encoder Encoder

	claimed bool // the key was claimed by the first step of a payment
}

type outcome struct {
	booking domain.BookingDetails // without its show
	changes []domain.Transition
	// refusal is the error of a request that is refused although it changed something.
	refusal     error
	keepRefusal bool // store the refusal for the idempotency key
	// goesOn says that a charge follows, and then a second step, which makes the response.
	goesOn bool
}

// transact runs a step of a booking in one transaction: it claims the idempotency key, runs step, saves its
// changes and stores the response. The key is read with the first statements of step, which must load something.
func (b *Bookings) transact(ctx context.Context, request Request, step func(ctx context.Context) (outcome, error)) (Response, error) {
	began := b.deps.Now()
	var response Response
	var done outcome
	err := b.deps.Store.InTx(ctx, func(ctx context.Context) (err error) {
		if !request.Key.IsZero() && !request.claimed {
			b.deps.Store.BeginKey(ctx, request.Key, b.rules.KeepResponses)
		}
		if done, err = step(ctx); err != nil {
			return err
		}
		b.deps.Store.Save(ctx, done.changes...)
		response, err = b.respond(ctx, request, done)
		return err
	})
	if replay := (*Replay)(nil); errors.As(err, &replay) {
		replay.Response.Replayed = true
		return replay.Response, nil
	}
	if err != nil {
		return Response{}, err
	}
	b.committed(ctx, done.changes, began)
	if done.refusal != nil && !done.keepRefusal {
		return Response{}, done.refusal
	}
	return response, nil
}

func (b *Bookings) respond(ctx context.Context, request Request, done outcome) (response Response, err error) {
	switch {
	case done.goesOn:
		if !request.Key.IsZero() {
			b.deps.Store.ClaimKey(ctx, request.Key, 2*b.rules.ChargeTimeout)
		}
		return Response{}, nil
	case done.refusal != nil && !done.keepRefusal:
		if !request.Key.IsZero() {
			b.deps.Store.ReleaseKey(ctx, request.Key)
		}
		return Response{}, nil
	case done.refusal != nil:
		response = request.Encoder.EncodeError(done.refusal)
	default:
		// Unless the show is cached, it is read with the changes of this step.
		if done.booking.Show, err = b.show(ctx, done.booking.ShowID); err != nil {
			return Response{}, err
		}
		if response, err = request.Encoder.Encode(done.booking); err != nil {
			return Response{}, err
		}
	}
	if !request.Key.IsZero() {
		b.deps.Store.StoreResponse(ctx, request.Key, response)
	}
	return response, nil
}

// committed does what follows a commit. All of it may be lost: locks and admissions expire, the schedule looks for
// refunds, seat maps are read again.
func (b *Bookings) committed(ctx context.Context, changes []domain.Transition, began time.Time) {
	var released []domain.SeatLock
	refund := false
	for _, t := range changes {
		b.record(t)
		if t.Ends() && t.Paid || t.Payment != nil && t.Payment.Status == domain.PaymentRefundPending {
			refund = true
		}
		switch t.Event {
		case domain.EventHeld:
			b.extend(ctx, t.Lock(), began)
			b.feed(t, domain.SeatLocked, began)
		case domain.EventConfirmed:
			released = append(released, t.Lock())
			b.endAdmission(ctx, t.Booking)
			b.feed(t, domain.SeatBooked, began)
		case domain.EventCancelled:
			released = append(released, t.Lock())
			if t.Paid { // a user who lets an unpaid hold go may lock other seats
				b.endAdmission(ctx, t.Booking)
			}
			b.feed(t, domain.SeatAvailable, began)
		case domain.EventExpired: // seat maps know when holds end
			released = append(released, t.Lock())
		}
	}
	b.release(ctx, released...)
	if refund {
		b.wakeRefunds(ctx)
	}
}

func (b *Bookings) record(t domain.Transition) {
	switch t.Event {
	case domain.EventHeld, domain.EventConfirmed, domain.EventCancelled:
		b.deps.Recorder.Hold(t.Event)
	case domain.EventExpired:
		b.deps.Recorder.HoldReleased(t.Overdue)
	case domain.EventPaymentSettled:
		b.deps.Recorder.Payment(paymentResult(t.Payment.Status))
	case domain.EventPaymentRefunded:
		b.deps.Recorder.Refund()
	}
}

func (b *Bookings) feed(t domain.Transition, status domain.SeatStatus, began time.Time) {
	change := domain.SeatChange{
		ShowID: t.Booking.ShowID, BookingID: t.Booking.ID, SeatIDs: domain.SeatIDs(t.Seats), Status: status,
		Took: b.deps.Now().Sub(began),
	}
	if status == domain.SeatLocked {
		change.HoldFor = b.rules.HoldFor
	}
	b.deps.Feed.Changed(change)
}

// afterCommit returns a context for work that is done although the client has gone.
func (b *Bookings) afterCommit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), b.rules.RecordTimeout)
}

// extend extends the locks to the end of their hold, which was made after began.
func (b *Bookings) extend(ctx context.Context, lock domain.SeatLock, began time.Time) {
	ctx, cancel := b.afterCommit(ctx)
	defer cancel()
	left := max(b.rules.HoldFor-b.deps.Now().Sub(began), time.Millisecond)
	if err := b.deps.Locks.Extend(ctx, lock, left); err != nil {
		b.deps.Log.DebugContext(ctx, "seat locks not extended", "show_id", lock.ShowID, "error", err)
	}
}

func (b *Bookings) endAdmission(ctx context.Context, booking domain.Booking) {
	ctx, cancel := b.afterCommit(ctx)
	defer cancel()
	if err := b.deps.Admissions.End(ctx, booking.ShowID, booking.UserID, booking.CreatedAt); err != nil {
		b.deps.Log.DebugContext(ctx, "admission not ended", "show_id", booking.ShowID, "error", err)
	}
}

func (b *Bookings) wakeRefunds(ctx context.Context) {
	ctx, cancel := b.afterCommit(ctx)
	defer cancel()
	if err := b.deps.Refunds.WakeRefunds(ctx); err != nil {
		b.deps.Log.DebugContext(ctx, "refunds not woken", "error", err)
	}
}
