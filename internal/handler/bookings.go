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

func (h *Bookings) Lock(w http.ResponseWriter, r *http.Request) error {
	var body lockRequest
	userID, key, err := decodeKeyed(w, r, &body)
	if err != nil {
		return err
	}
	response, err := h.bookings.Lock(r.Context(),
		service.LockSeats{UserID: userID, ShowID: body.ShowID, SeatIDs: body.SeatIDs},
		service.Request{Key: key, Encoder: bookingEncoder{r, toLockResponse}})
	return writeResponse(w, response, err)
}

func toLockResponse(b domain.BookingDetails) envelope {
	return envelope{
		"message":      "Seats locked successfully",
		"booking_id":   b.ID,
		"locked_seats": mapSlice(b.Seats, toPricedSeat),
		"expires_in":   int64(b.HoldLeft / time.Second),
		"expires_at":   b.ExpiresAt.UTC(),
		"amount":       moneyOutput(b.Amount),
		"booking":      toBooking(b),
	}
}

type payRequest struct {
	BookingID int64       `json:"booking_id" validate:"required,gt=0"`
	Amount    amountInput `json:"amount" validate:"required"`
	Outcome   string      `json:"outcome" validate:"omitempty,oneof=success decline"`
}

func (h *Bookings) Pay(w http.ResponseWriter, r *http.Request) error {
	var body payRequest
	userID, key, err := decodeKeyed(w, r, &body)
	if err != nil {
		return err
	}
	response, err := h.payments.Pay(r.Context(),
		service.Pay{UserID: userID, BookingID: body.BookingID, Amount: body.Amount.money(), Method: body.Outcome},
		service.Request{Key: key, Encoder: bookingEncoder{r, toPayResponse}})
	return writeResponse(w, response, err)
}

func toPayResponse(b domain.BookingDetails) envelope {
	return envelope{
		"message":        "Payment successful",
		"transaction_id": b.Payment.TransactionID,
		"amount":         moneyOutput(b.Payment.Amount),
	}
}

type bookingRef struct {
	BookingID *int64 `json:"booking_id" validate:"omitempty,gt=0"`
}

func (h *Bookings) Confirm(w http.ResponseWriter, r *http.Request) error {
	return confirmOrCancel(w, r, h.bookings.Confirm, toConfirmResponse)
}

func toConfirmResponse(b domain.BookingDetails) envelope {
	return envelope{
		"message":         "Booking confirmed successfully",
		"booking_id":      b.ID,
		"confirmed_seats": mapSlice(b.Seats, toPricedSeat),
		"booking":         toBooking(b),
	}
}

func (h *Bookings) Cancel(w http.ResponseWriter, r *http.Request) error {
	return confirmOrCancel(w, r, h.bookings.Cancel, toCancelResponse)
}

func toCancelResponse(b domain.BookingDetails) envelope {
	response := envelope{
		"message":         "Booking cancelled successfully",
		"booking_id":      b.ID,
		"cancelled_seats": mapSlice(b.Seats, toPricedSeat),
		"refund":          nil,
		"booking":         toBooking(b),
	}
	if b.Payment != nil {
		response["refund"] = envelope{
			"transaction_id": b.Payment.TransactionID,
			"amount":         moneyOutput(b.Payment.Amount),
		}
	}
	return response
}

// confirmOrCancel takes step with the booking in the path. A body is optional and may only name that booking.
func confirmOrCancel(w http.ResponseWriter, r *http.Request,
	step func(ctx context.Context, userID, bookingID int64, request service.Request) (service.Response, error),
	body func(domain.BookingDetails) envelope,
) error {
	userID, bookingID, err := userAndID(r, "booking_id")
	if err != nil {
		return err
	}
	var ref bookingRef
	if err := decodeOptional(w, r, &ref); err != nil {
		return err
	}
	if ref.BookingID != nil && *ref.BookingID != bookingID {
		return domain.ErrBookingMismatch.WithDetails("booking_id: is not the booking in the path")
	}
	key, err := requestKey(r, userID, nil)
	if err != nil {
		return err
	}
	response, err := step(r.Context(), userID, bookingID,
		service.Request{Key: key, Encoder: bookingEncoder{r, body}})
	return writeResponse(w, response, err)
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
