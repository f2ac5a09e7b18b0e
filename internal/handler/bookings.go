package handler

import (
	"context"
	"net/http"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
)

type bookingService interface {
	Lock(ctx context.Context, lock service.LockSeats, request service.Request) (service.Response, error)
	Confirm(ctx context.Context, userID, bookingID int64, request service.Request) (service.Response, error)
	Cancel(ctx context.Context, userID, bookingID int64, request service.Request) (service.Response, error)
	Replay(ctx context.Context, key domain.RequestKey) (service.Response, error)
}

type paymentService interface {
	Pay(ctx context.Context, pay service.Pay, request service.Request) (service.Response, error)
}

// Bookings serves the routes that lock, pay, confirm and cancel.
type Bookings struct {
	bookings bookingService
	payments paymentService
}

// NewBookings returns the booking handlers.
func NewBookings(bookings bookingService, payments paymentService) *Bookings {
	return &Bookings{bookings: bookings, payments: payments}
}

type lockRequest struct {
	ShowID  int64   `json:"show_id" validate:"required,gt=0"`
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
	var body lockRequest
	userID, key, err := decodeKeyed(w, r, &body)
	if err != nil {
		return err
	}
	response, err := h.bookings.Lock(r.Context(),
		service.LockSeats{UserID: userID, ShowID: body.ShowID, SeatIDs: body.SeatIDs},
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
		ExpiresAt:   b.ExpiresAt.UTC(),
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
	var body payRequest
	userID, key, err := decodeKeyed(w, r, &body)
	if err != nil {
		return err
	}
	response, err := h.payments.Pay(r.Context(),
		service.Pay{UserID: userID, BookingID: body.BookingID, Amount: body.Amount.money(), Method: body.Outcome},
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
	return confirmOrCancel(w, r, h.bookings.Confirm, toConfirmResponse)
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
	return confirmOrCancel(w, r, h.bookings.Cancel, toCancelResponse)
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

// confirmOrCancel takes step with the booking in the path. A body is optional and may only name that booking.
func confirmOrCancel(w http.ResponseWriter, r *http.Request,
	step func(ctx context.Context, userID, bookingID int64, request service.Request) (service.Response, error),
	dto func(domain.BookingDetails) any,
) error {
	userID, bookingID, err := userAndID(r, "booking_id")
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
	key, err := requestKey(r, userID, nil)
	if err != nil {
		return err
	}
	response, err := step(r.Context(), userID, bookingID,
		service.Request{Key: key, Encoder: bookingEncoder{r, dto}})
	if err != nil {
		return err
	}
	writeResponse(w, response)
	return nil
}

// decodeKeyed decodes the body of a request into dst, and returns the user and the idempotency key of the request.
func decodeKeyed(w http.ResponseWriter, r *http.Request, dst any) (userID int64, key domain.RequestKey, err error) {
	if userID, err = signedIn(r); err != nil {
		return 0, key, err
	}
	body, err := readBody(w, r, maxBody)
	if err != nil {
		return 0, key, err
	}
	if key, err = requestKey(r, userID, body); err != nil {
		return 0, key, err
	}
	return userID, key, unmarshal(r, body, dst)
}

func signedIn(r *http.Request) (userID int64, err error) {
	user, ok := domain.IdentityFrom(r.Context())
	if !ok {
		return 0, domain.ErrUnauthorized
	}
	return user.UserID, nil
}

func userAndID(r *http.Request, name string) (userID, id int64, err error) {
	if userID, err = signedIn(r); err != nil {
		return 0, 0, err
	}
	id, err = pathID(r, name)
	return userID, id, err
}
