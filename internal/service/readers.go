package service

import (
	"context"

	"evently/internal/domain"
)

// ShowReader reads shows, which are the same for every user.
type ShowReader interface {
	// Shows returns up to limit shows that have not begun and match the filter, soonest first, and whether there
	// are more.
	Shows(ctx context.Context, filter domain.ShowFilter, after *domain.ShowPosition, limit int) (shows []domain.ShowDetails, more bool, err error)
	// Show returns a show, past or coming, or domain.ErrShowNotFound.
	Show(ctx context.Context, showID int64) (domain.ShowDetails, error)
}

// BookingReader reads the bookings of one user.
type BookingReader interface {
	// BookingDetails fails with domain.ErrBookingNotFound, also for a booking of another user: its existence stays
	// hidden.
	BookingDetails(ctx context.Context, userID, bookingID int64) (domain.BookingDetails, error)
	// UserBookings returns up to limit bookings behind the booking after (0 is the head), newest first, of one
	// status unless that is nil, and whether there are more.
	UserBookings(ctx context.Context, userID int64, status *domain.BookingStatus, limit int, after int64) (bookings []domain.BookingDetails, more bool, err error)
}

// AnalyticsReader reports on the bookings of the last days UTC days, today included.
type AnalyticsReader interface {
	BookingReport(ctx context.Context, days int) (domain.BookingReport, error)
}
