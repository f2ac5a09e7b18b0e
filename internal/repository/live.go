package repository

// SQL conditions on a row of the table bookings, under that name. They read the database's clock.
const (
	// liveHold is true for a hold whose time is not over.
	liveHold = `(bookings.status = 'PENDING' AND bookings.expires_at > now())`

	// expiredHold is true for a hold whose time is over and that nothing has ended yet.
	expiredHold = `(bookings.status = 'PENDING' AND bookings.expires_at <= now())`

	// liveBooking is true for a booking that has its seats: confirmed, or a live hold.
	liveBooking = `(bookings.status = 'CONFIRMED' OR ` + liveHold + `)`

	// takenSeats is the number of seats of live bookings of the row of shows, under that name.
	takenSeats = `(
		SELECT coalesce(sum(bookings.seat_count), 0)::int
		FROM bookings
		WHERE bookings.show_id = shows.show_id
		  AND ` + liveBooking + `
	)`
)
