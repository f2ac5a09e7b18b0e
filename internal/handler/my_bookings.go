package handler

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"evently/internal/domain"
	"evently/internal/respond"
	"evently/internal/service"
)

// MyBookings serves the routes on which users see their own bookings.
type MyBookings struct {
	bookings *service.MyBookings
}

// NewMyBookings returns the handlers over bookings.
func NewMyBookings(bookings *service.MyBookings) *MyBookings { return &MyBookings{bookings: bookings} }

type pricedSeatDTO struct {
	seatDTO
	Price moneyOutput `json:"price"`
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
		CreatedAt: utc(b.CreatedAt), ExpiresAt: utc(b.ExpiresAt),
		Show: toShowDetails(b.Show),
		Seats: mapSlice(b.Seats, func(s domain.BookedSeat) pricedSeatDTO {
			return pricedSeatDTO{seatDTO: toSeat(s.Seat), Price: moneyOutput(s.Price)}
		}),
	}
	if b.CancelReason != "" {
		dto.CancelReason = &b.CancelReason
	}
	if b.Status == domain.BookingPending {
		left := int64(b.HoldLeft / time.Second)
		dto.ExpiresIn = &left
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

// toPayment shows a payment as refunded from the moment its refund is certain, whenever the provider
// carries it out.
func toPayment(p domain.Payment) *paymentDTO {
	dto := &paymentDTO{TransactionID: p.TransactionID, Status: p.Status, Amount: moneyOutput(p.Amount), PaidAt: utcOrNil(p.PaidAt)}
	if p.GivenBack() {
		dto.Status, dto.RefundedAt = domain.PaymentRefunded, utcOrNil(p.RefundRequestedAt)
	}
	return dto
}

func utcOrNil(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	inUTC := t.UTC()
	return &inUTC
}

type bookingResponse struct {
	Booking bookingDTO `json:"booking"`
}

type bookingsResponse struct {
	Bookings   []bookingDTO `json:"bookings"`
	NextCursor *string      `json:"next_cursor"`
}

// Get serves GET /bookings/{booking_id}.
func (h *MyBookings) Get(w http.ResponseWriter, r *http.Request) error {
	user, err := identity(r)
	if err != nil {
		return err
	}
	id, err := pathID(r, "booking_id")
	if err != nil {
		return err
	}
	booking, err := h.bookings.Booking(r.Context(), user.UserID, id)
	if err != nil {
		return err
	}
	return respond.JSON(w, http.StatusOK, bookingResponse{Booking: toBooking(booking)})
}

// List serves GET /user/bookings: the user's bookings, newest first.
func (h *MyBookings) List(w http.ResponseWriter, r *http.Request) error {
	user, err := identity(r)
	if err != nil {
		return err
	}
	query, err := parseQuery(r)
	if err != nil {
		return err
	}
	status, err := queryBookingStatus(query)
	if err != nil {
		return err
	}
	list := bookingsList(user.UserID, status)
	limit, after, err := bookingsPage(query, list)
	if err != nil {
		return err
	}
	bookings, more, err := h.bookings.List(r.Context(), user.UserID, status, limit, after)
	if err != nil {
		return err
	}
	response := bookingsResponse{Bookings: mapSlice(bookings, toBooking)}
	if more {
		response.NextCursor = list.cursor(bookings[len(bookings)-1].ID)
	}
	return respond.JSON(w, http.StatusOK, response)
}

// queryBookingStatus reads `status`; nil is any.
func queryBookingStatus(query url.Values) (*domain.BookingStatus, error) {
	word, err := queryOneOf(query, "status",
		string(domain.BookingPending), string(domain.BookingConfirmed), string(domain.BookingCancelled))
	if err != nil || word == "" {
		return nil, err
	}
	status := domain.BookingStatus(word)
	return &status, nil
}

// bookingsList identifies the list of a user's bookings with this status.
func bookingsList(userID int64, status *domain.BookingStatus) listID {
	filter := ""
	if status != nil {
		filter = string(*status)
	}
	return newList("bookings", strconv.FormatInt(userID, 10), filter)
}

// bookingsPage reads the limit and the cursor of a list of bookings; 0 is its head.
func bookingsPage(query url.Values, l listID) (limit int, after int64, err error) {
	if limit, err = queryLimit(query); err != nil {
		return 0, 0, err
	}
	after, err = l.queryID(query)
	return limit, after, err
}
