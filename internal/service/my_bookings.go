package service

import (
	"context"

	"evently/internal/domain"
)

// BookingReader is what MyBookings needs of the store.
type BookingReader interface {
	// BookingDetails gives a booking of this user, or domain.ErrBookingNotFound.
	BookingDetails(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error)
	// UserBookings gives up to limit bookings of a user behind the booking after (0 is the
	// head), newest first, of one status unless that is nil, and whether there are more.
	UserBookings(ctx context.Context, userID int64, status *domain.BookingStatus, limit int, after int64) (bookings []domain.BookingDetails, more bool, err error)
}

// MyBookings shows users their own bookings, and nobody else's. A hold whose time is over
// reads as cancelled, whether or not anything has tidied it away.
type MyBookings struct {
	bookings BookingReader
}

// NewMyBookings gives a MyBookings over bookings.
func NewMyBookings(bookings BookingReader) *MyBookings { return &MyBookings{bookings: bookings} }

// Booking gives a booking of this user. Somebody else's is domain.ErrBookingNotFound, so that
// nobody learns which ids exist.
func (m *MyBookings) Booking(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error) {
	return m.bookings.BookingDetails(ctx, userID, bookingID)
}

// List gives up to limit bookings of this user behind the booking after (0 is the head), newest
// first, of one status unless that is nil, and whether there are more.
func (m *MyBookings) List(ctx context.Context, userID int64, status *domain.BookingStatus, limit int, after int64) (bookings []domain.BookingDetails, more bool, err error) {
	return m.bookings.UserBookings(ctx, userID, status, limit, after)
}
