package service

import (
	"context"

	"evently/internal/domain"
)

// BookingReader is what MyBookings needs of the store.
type BookingReader interface {
	BookingDetails(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error)
	UserBookings(ctx context.Context, userID int64, status *domain.BookingStatus, limit int, after int64) (bookings []domain.BookingDetails, more bool, err error)
}

// MyBookings shows users their own bookings.
type MyBookings struct {
	bookings BookingReader
}

// NewMyBookings returns a MyBookings over bookings.
func NewMyBookings(bookings BookingReader) *MyBookings { return &MyBookings{bookings: bookings} }

// Booking returns a booking of this user. It fails with domain.ErrBookingNotFound, also for a booking of another
// user, so that its existence stays hidden.
func (m *MyBookings) Booking(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error) {
	return m.bookings.BookingDetails(ctx, userID, bookingID)
}

// List returns up to limit bookings of this user behind the booking after (0 is the head), newest first, of one
// status unless that is nil, and whether there are more.
func (m *MyBookings) List(ctx context.Context, userID int64, status *domain.BookingStatus, limit int, after int64) (bookings []domain.BookingDetails, more bool, err error) {
	return m.bookings.UserBookings(ctx, userID, status, limit, after)
}
