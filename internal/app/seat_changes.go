package app

import (
	"context"
	"time"

	"evently/internal/domain"
	"evently/internal/handler"
	"evently/internal/seatmap"
	"evently/internal/service"
)

// bookingsWithMaps applies what bookings commit to the seat maps.
type bookingsWithMaps struct {
	handler.BookingService
	maps *seatmap.Cache
}

func (b bookingsWithMaps) changed(began time.Time, change domain.SeatChange, seats []domain.BookedSeat) {
	change.Took = time.Since(began)
	change.SeatIDs = make([]int64, len(seats))
	for i := range seats {
		change.SeatIDs[i] = seats[i].ID
	}
	b.maps.Changed(change)
}

// Lock implements handler.BookingService.
func (b bookingsWithMaps) Lock(ctx context.Context, userID, showID int64, seatIDs []int64, response service.Answer[domain.Hold]) (domain.Hold, error) {
	began := time.Now()
	hold, err := b.BookingService.Lock(ctx, userID, showID, seatIDs, response)
	if err == nil {
		b.changed(began, domain.SeatChange{
			ShowID: hold.ShowID, BookingID: hold.ID, Status: domain.SeatLocked, HoldFor: b.HoldFor(),
		}, hold.Seats)
	}
	return hold, err
}

// Confirm implements handler.BookingService.
func (b bookingsWithMaps) Confirm(ctx context.Context, userID, bookingID int64, response service.Answer[service.SettledBooking]) (service.SettledBooking, error) {
	began := time.Now()
	booking, err := b.BookingService.Confirm(ctx, userID, bookingID, response)
	if err == nil {
		b.changed(began, domain.SeatChange{ShowID: booking.ShowID, BookingID: booking.ID, Status: domain.SeatBooked}, booking.Seats)
	}
	return booking, err
}

// Cancel implements handler.BookingService.
func (b bookingsWithMaps) Cancel(ctx context.Context, userID, bookingID int64, response service.Answer[service.SettledBooking]) (service.SettledBooking, error) {
	began := time.Now()
	booking, err := b.BookingService.Cancel(ctx, userID, bookingID, response)
	if err == nil {
		b.changed(began, domain.SeatChange{ShowID: booking.ShowID, BookingID: booking.ID, Status: domain.SeatAvailable}, booking.Seats)
	}
	return booking, err
}
