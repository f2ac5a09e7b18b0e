package handler

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// BookingService is the use cases behind the booking routes.
type BookingService interface {
	OrderSeats(seatIDs []int64) ([]int64, error)
	Lock(ctx context.Context, userID, showID int64, seatIDs []int64, answer service.Answer[domain.Hold]) (domain.Hold, error)
	Pay(ctx context.Context, userID, bookingID int64, amount domain.Money, outcome service.PaymentOutcome, answer service.Answer[domain.Payment]) (domain.Payment, error)
	Confirm(ctx context.Context, userID, bookingID int64, answer service.Answer[service.SettledBooking]) (service.SettledBooking, error)
	Cancel(ctx context.Context, userID, bookingID int64, answer service.Answer[service.SettledBooking]) (service.SettledBooking, error)
	HoldFor() time.Duration
}

// Bookings serves the routes that lock, pay, confirm and cancel.
type Bookings struct {
	bookings BookingService
}

// NewBookings gives the booking handlers.
func NewBookings(bookings BookingService) *Bookings { return &Bookings{bookings: bookings} }

type lockRequest struct {
	ShowID int64 `json:"show_id" validate:"required,gt=0"`
	// The number of seats that one booking may have is a rule of the service, which is
	// configured; this bound is that of any configuration.
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
}

// ReadLock reads the body of POST /bookings/lock.
func (h *Bookings) ReadLock(w http.ResponseWriter, r *http.Request) *domain.SeatRequest {
	body, err := readLock(w, r)
	if err != nil {
		return &domain.SeatRequest{Fault: err}
	}
	seats, err := h.bookings.OrderSeats(body.SeatIDs)
	return &domain.SeatRequest{ShowID: body.ShowID, SeatIDs: seats, Fault: err}
}

func readLock(w http.ResponseWriter, r *http.Request) (request lockRequest, err error) {
	err = decode(w, r, maxBody, &request)
	return request, err
}

// Lock serves POST /bookings/lock. The waiting room in front of it may have read the body already.
func (h *Bookings) Lock(w http.ResponseWriter, r *http.Request) error {
	user, err := identity(r)
	if err != nil {
		return err
	}
	request := domain.SeatRequestFrom(r.Context())
	if request == nil {
		request = h.ReadLock(w, r)
	}
	if request.Fault != nil {
		return request.Fault
	}
	hold, err := h.bookings.Lock(r.Context(), user.UserID, request.ShowID, request.SeatIDs,
		keep(always, h.locked))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, h.locked(hold))
}

func (h *Bookings) locked(hold domain.Hold) lockResponse {
	return lockResponse{
		Message:     "Seats locked successfully",
		BookingID:   hold.ID,
		LockedSeats: mapSlice(hold.Seats, toLockedSeat),
		ExpiresIn:   int64(h.bookings.HoldFor() / time.Second),
		ExpiresAt:   utc(hold.ExpiresAt),
		Amount:      moneyOutput(hold.Amount),
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
	var body payRequest
	if err := decode(w, r, maxBody, &body); err != nil {
		return err
	}
	payment, err := h.bookings.Pay(r.Context(), user.UserID, body.BookingID, body.Amount.money(),
		service.PaymentOutcome(body.Outcome), keep(always, paid))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, paid(payment))
}

func paid(payment domain.Payment) payResponse {
	return payResponse{
		Message:       "Payment successful",
		TransactionID: payment.TransactionID,
		Amount:        moneyOutput(payment.Amount),
	}
}

type bookingRef struct {
	BookingID *int64 `json:"booking_id" validate:"omitempty,gt=0"`
}

type confirmResponse struct {
	Message        string          `json:"message"`
	BookingID      int64           `json:"booking_id"`
	ConfirmedSeats []lockedSeatDTO `json:"confirmed_seats"`
}

// Confirm serves POST /bookings/{booking_id}/confirm.
func (h *Bookings) Confirm(w http.ResponseWriter, r *http.Request) error {
	user, bookingID, err := userAndBooking(w, r)
	if err != nil {
		return err
	}
	booking, err := h.bookings.Confirm(r.Context(), user.UserID, bookingID,
		keep(service.SettledBooking.Confirmed, confirmed))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, confirmed(booking))
}

func confirmed(booking service.SettledBooking) confirmResponse {
	return confirmResponse{
		Message:        "Booking confirmed successfully",
		BookingID:      booking.ID,
		ConfirmedSeats: mapSlice(booking.Seats, toLockedSeat),
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
}

// Cancel serves POST /bookings/{booking_id}/cancel.
func (h *Bookings) Cancel(w http.ResponseWriter, r *http.Request) error {
	user, bookingID, err := userAndBooking(w, r)
	if err != nil {
		return err
	}
	booking, err := h.bookings.Cancel(r.Context(), user.UserID, bookingID,
		keep(service.SettledBooking.JustChanged, cancelled))
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, cancelled(booking))
}

func cancelled(booking service.SettledBooking) cancelResponse {
	answer := cancelResponse{
		Message:        "Booking cancelled successfully",
		BookingID:      booking.ID,
		CancelledSeats: mapSlice(booking.Seats, toLockedSeat),
	}
	if booking.Refund != nil {
		answer.Refund = &refundDTO{
			TransactionID: booking.Refund.TransactionID,
			Amount:        moneyOutput(booking.Refund.Amount),
		}
	}
	return answer
}

// keep makes the answer that an idempotency key keeps of a success: the very bytes that
// respond.JSON writes.
func keep[T, D any](success func(T) bool, dto func(T) D) service.Answer[T] {
	return func(result T) (domain.StoredAnswer, bool) {
		if !success(result) {
			return domain.StoredAnswer{}, false
		}
		body, err := json.Marshal(dto(result))
		return domain.StoredAnswer{Status: http.StatusOK, Body: body}, err == nil
	}
}

// always is the success of a use case that fails by its error alone.
func always[T any](T) bool { return true }

// userAndBooking reads who asks and which booking is meant. A body is optional; the booking that
// it names must be that of the path.
func userAndBooking(w http.ResponseWriter, r *http.Request) (domain.Identity, int64, error) {
	user, err := identity(r)
	if err != nil {
		return domain.Identity{}, 0, err
	}
	bookingID, err := pathID(r, "booking_id")
	if err != nil {
		return domain.Identity{}, 0, err
	}
	var body bookingRef
	if err := decodeOptional(w, r, maxBody, &body); err != nil {
		return domain.Identity{}, 0, err
	}
	if body.BookingID != nil && *body.BookingID != bookingID {
		return domain.Identity{}, 0, domain.ErrBookingMismatch.WithDetails("booking_id: is not the booking in the path")
	}
	return user, bookingID, nil
}

// identity gives who sent the request, as the authentication in front of the route found out.
func identity(r *http.Request) (domain.Identity, error) {
	user, ok := domain.IdentityFrom(r.Context())
	if !ok {
		return domain.Identity{}, domain.ErrUnauthorized
	}
	return user, nil
}
