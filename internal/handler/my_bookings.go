package handler

import (
	"net/http"
	"strconv"
	"time"

	"evently/internal/domain"
	"evently/internal/service"
)

// MyBookings serves the routes on which users see their own bookings.
type MyBookings struct {
	bookings service.BookingReader
}

// NewMyBookings returns the handlers over bookings.
func NewMyBookings(bookings service.BookingReader) *MyBookings {
	return &MyBookings{bookings: bookings}
}

type bookingDTO struct {
	BookingID    int64                `json:"booking_id"`
	UserID       int64                `json:"user_id"`
	ShowID       int64                `json:"show_id"`
	Status       domain.BookingStatus `json:"status"`
	CancelReason *domain.CancelReason `json:"cancel_reason"`
	Amount       moneyOutput          `json:"amount"`
	CreatedAt    time.Time            `json:"created_at"`
	ExpiresAt    time.Time            `json:"expires_at"`
	ExpiresIn    *int64               `json:"expires_in"`
	PaidAt       *time.Time           `json:"paid_at"`
	Payment      *paymentDTO          `json:"payment"`
	Show         showDetailsDTO       `json:"show"`
	Seats        []pricedSeatDTO      `json:"seats"`
}

func toBooking(b domain.BookingDetails) bookingDTO {
	dto := bookingDTO{
		BookingID: b.ID, UserID: b.UserID, ShowID: b.ShowID,
		Status: b.Status, Amount: moneyOutput(b.Amount),
		CreatedAt: b.CreatedAt.UTC(), ExpiresAt: b.ExpiresAt.UTC(),
		Show:  toShowDetails(b.Show),
		Seats: mapSlice(b.Seats, toPricedSeat),
	}
	if b.CancelReason != "" {
		dto.CancelReason = &b.CancelReason
	}
	if b.Status == domain.BookingPending {
		dto.ExpiresIn = new(int64(b.HoldLeft / time.Second))
	}
	if b.Payment != nil {
		dto.Payment = toPayment(*b.Payment)
		dto.PaidAt = dto.Payment.PaidAt
	}
	return dto
}

type paymentDTO struct {
	TransactionID string               `json:"transaction_id"`
	Status        domain.PaymentStatus `json:"status"`
	Amount        moneyOutput          `json:"amount"`
	PaidAt        *time.Time           `json:"paid_at"`
	RefundedAt    *time.Time           `json:"refunded_at"`
}

// toPayment shows a payment as refunded from the moment its refund is certain.
func toPayment(p domain.Payment) *paymentDTO {
	dto := &paymentDTO{
		TransactionID: p.TransactionID,
		Status:        p.Status,
		Amount:        moneyOutput(p.Amount),
		PaidAt:        utcOrNil(p.PaidAt),
	}
	if p.GivenBack() {
		dto.Status, dto.RefundedAt = domain.PaymentRefunded, utcOrNil(p.RefundRequestedAt)
	}
	return dto
}

func utcOrNil(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(t.UTC())
}

func (h *MyBookings) Get(w http.ResponseWriter, r *http.Request) error {
	userID, id, err := userAndID(r, "booking_id")
	if err != nil {
		return err
	}
	booking, err := h.bookings.BookingDetails(r.Context(), userID, id)
	return write(w, http.StatusOK, envelope{"booking": toBooking(booking)}, err)
}

func (h *MyBookings) List(w http.ResponseWriter, r *http.Request) error {
	userID, err := signedIn(r)
	if err != nil {
		return err
	}
	q := readQuery(r)
	word := q.oneOf("status",
		string(domain.BookingPending), string(domain.BookingConfirmed), string(domain.BookingCancelled))
	list := newList("bookings", strconv.FormatInt(userID, 10), word)
	limit, after := q.limit(), q.afterID(list)
	if q.err != nil {
		return q.err
	}
	var status *domain.BookingStatus
	if word != "" {
		status = new(domain.BookingStatus(word))
	}
	bookings, more, err := h.bookings.UserBookings(r.Context(), userID, status, limit, after)
	response := envelope{"bookings": mapSlice(bookings, toBooking), "next_cursor": nil}
	if more {
		response["next_cursor"] = list.cursor(bookings[len(bookings)-1].ID)
	}
	return write(w, http.StatusOK, response, err)
}
