package handler

import (
	"context"
	"net/http"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
)

// BookingService is the use cases behind the booking routes.
type BookingService interface {
	Lock(ctx context.Context, lock service.LockSeats, request service.Request) (service.Response, error)
	Confirm(ctx context.Context, userID, bookingID int64, request service.Request) (service.Response, error)
	Cancel(ctx context.Context, userID, bookingID int64, request service.Request) (service.Response, error)
	Replay(ctx context.Context, key domain.RequestKey) (service.Response, error)
}

// PaymentService is the use case behind the payment route.
type PaymentService interface {
	Pay(ctx context.Context, pay service.Pay, request service.Request) (service.Response, error)
}

// Bookings serves the routes that lock, pay, confirm and cancel.
type Bookings struct {
	bookings BookingService
	payments PaymentService
}

// NewBookings returns the booking handlers.
func NewBookings(bookings BookingService, payments PaymentService) *Bookings {
	return &Bookings{bookings: bookings, payments: payments}
}

type lockRequest struct {
	ShowID int64 `json:"show_id" validate:"required,gt=0"`
	// MAX_SEATS_PER_BOOKING is checked by the service; it is at most this.
	SeatIDs []int64 `json:"seat_ids" validate:"required,min=1,max=100,dive,gt=0"`
}

type lockedSeatDTO struct {
	SeatID     int64       `json:"seat_id"`
	SeatRow    string      `json:"seat_row"`
	SeatNumber int32       `json:"seat_number"`
	Price      moneyOutput `json:"price"`
}

func toLockedSeat(s domain.BookedSeat) lockedSeatDTO {
	return lockedSeatDTO{SeatID: s.ID, SeatRow: s.Row, SeatNumber: s.Number, Price: moneyOutput(s.Price)}
}

type lockResponse struct {
	Message     string          `json:"message"`
	BookingID   int64           `json:"booking_id"`
	LockedSeats []lockedSeatDTO `json:"locked_seats"`
	ExpiresIn   int64           `json:"expires_in"`
	ExpiresAt   time.Time       `json:"expires_at"`
	Amount      moneyOutput     `json:"amount"`
	Booking     bookingDTO      `json:"booking"`
}

// Lock serves POST /bookings/lock.
func (h *Bookings) Lock(w http.ResponseWriter, r *http.Request) error {
	user, err := identity(r)
	if err != nil {
		return err
	}
	key, err := requestKeyOfBody(w, r, user.UserID)
	if err != nil {
		return err
	}
	var body lockRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	response, err := h.bookings.Lock(r.Context(),
		service.LockSeats{UserID: user.UserID, ShowID: body.ShowID, SeatIDs: body.SeatIDs},
		service.Request{Key: key, Encoder: bookingEncoder{r, toLockResponse}})
	if err != nil {
		return err
	}
	writeResponse(w, response)
	return nil
}

func toLockResponse(b domain.BookingDetails) any {
	return lockResponse{
		Message:     "Seats locked successfully",
		BookingID:   b.ID,
		LockedSeats: mapSlice(b.Seats, toLockedSeat),
		ExpiresIn:   int64(b.HoldLeft / time.Second),
		ExpiresAt:   utc(b.ExpiresAt),
		Amount:      moneyOutput(b.Amount),
		Booking:     toBooking(b),
	}
}

type payRequest struct {
	BookingID int64       `json:"booking_id" validate:"required,gt=0"`
	Amount    amountInput `json:"amount" validate:"required"`
	Outcome   string      `json:"outcome" validate:"omitempty,oneof=success decline"`
}

type payResponse struct {
	Message       string      `json:"message"`
	TransactionID string      `json:"transaction_id"`
	Amount        moneyOutput `json:"amount"`
}

// Pay serves POST /bookings/payments/simulate.
func (h *Bookings) Pay(w http.ResponseWriter, r *http.Request) error {
	user, err := identity(r)
	if err != nil {
		return err
	}
	key, err := requestKeyOfBody(w, r, user.UserID)
	if err != nil {
		return err
	}
	var body payRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	response, err := h.payments.Pay(r.Context(),
		service.Pay{UserID: user.UserID, BookingID: body.BookingID, Amount: body.Amount.money(), Method: body.Outcome},
		service.Request{Key: key, Encoder: bookingEncoder{r, toPayResponse}})
	if err != nil {
		return err
	}
	writeResponse(w, response)
	return nil
}

func toPayResponse(b domain.BookingDetails) any {
	return payResponse{
		Message:       "Payment successful",
		TransactionID: b.Payment.TransactionID,
		Amount:        moneyOutput(b.Payment.Amount),
	}
}

type bookingRef struct {
	BookingID *int64 `json:"booking_id" validate:"omitempty,gt=0"`
}

type confirmResponse struct {
	Message        string          `json:"message"`
	BookingID      int64           `json:"booking_id"`
	ConfirmedSeats []lockedSeatDTO `json:"confirmed_seats"`
	Booking        bookingDTO      `json:"booking"`
}

// Confirm serves POST /bookings/{booking_id}/confirm.
func (h *Bookings) Confirm(w http.ResponseWriter, r *http.Request) error {
	return settle(w, r, h.bookings.Confirm, toConfirmResponse)
}

func toConfirmResponse(b domain.BookingDetails) any {
	return confirmResponse{
		Message:        "Booking confirmed successfully",
		BookingID:      b.ID,
		ConfirmedSeats: mapSlice(b.Seats, toLockedSeat),
		Booking:        toBooking(b),
	}
}

type refundDTO struct {
	TransactionID string      `json:"transaction_id"`
	Amount        moneyOutput `json:"amount"`
}

type cancelResponse struct {
	Message        string          `json:"message"`
	BookingID      int64           `json:"booking_id"`
	CancelledSeats []lockedSeatDTO `json:"cancelled_seats"`
	Refund         *refundDTO      `json:"refund"`
	Booking        bookingDTO      `json:"booking"`
}

// Cancel serves POST /bookings/{booking_id}/cancel.
func (h *Bookings) Cancel(w http.ResponseWriter, r *http.Request) error {
	return settle(w, r, h.bookings.Cancel, toCancelResponse)
}

func toCancelResponse(b domain.BookingDetails) any {
	response := cancelResponse{
		Message:        "Booking cancelled successfully",
		BookingID:      b.ID,
		CancelledSeats: mapSlice(b.Seats, toLockedSeat),
		Booking:        toBooking(b),
	}
	if b.Payment != nil {
		response.Refund = &refundDTO{TransactionID: b.Payment.TransactionID, Amount: moneyOutput(b.Payment.Amount)}
	}
	return response
}

// settle serves a route that confirms or cancels the booking in its path. A body is optional; a booking
// that it names must be that one.
func settle(w http.ResponseWriter, r *http.Request,
	step func(ctx context.Context, userID, bookingID int64, request service.Request) (service.Response, error),
	dto func(domain.BookingDetails) any,
) error {
	user, err := identity(r)
	if err != nil {
		return err
	}
	bookingID, err := pathID(r, "booking_id")
	if err != nil {
		return err
	}
	var body bookingRef
	if err := decodeOptional(w, r, maxBody, &body); err != nil {
		return err
	}
	if body.BookingID != nil && *body.BookingID != bookingID {
		return domain.ErrBookingMismatch.WithDetails("booking_id: is not the booking in the path")
	}
	key, err := requestKey(r, user.UserID, nil)
	if err != nil {
		return err
	}
	response, err := step(r.Context(), user.UserID, bookingID,
		service.Request{Key: key, Encoder: bookingEncoder{r, dto}})
	if err != nil {
		return err
	}
	writeResponse(w, response)
	return nil
}

// identity returns the user of a request.
func identity(r *http.Request) (domain.Identity, error) {
	user, ok := domain.IdentityFrom(r.Context())
	if !ok {
		return domain.Identity{}, domain.ErrUnauthorized
	}
	return user, nil
}
