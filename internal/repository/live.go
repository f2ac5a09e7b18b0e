package repository

// SQL conditions on a row of bookings, which the statement must not rename. Time is the database's.
const (
	// liveHold is true for a hold whose time is not over.
	liveHold = `(bookings.status = 'PENDING' AND bookings.expires_at > now())`

	// expiredHold is true for a hold whose time is over and that nothing has ended yet. The CASE keeps
	// the planner from the index of pending bookings, which looks cheap in a plan made before a rush and
	// holds every expired booking after it.
	expiredHold = `(CASE bookings.status WHEN 'PENDING' THEN bookings.expires_at <= now() ELSE false END)`

	// liveBooking is true for a booking that has its seats: confirmed, or a live hold.
	liveBooking = `(bookings.status = 'CONFIRMED' OR ` + liveHold + `)`

	// paidStates are the states of a payment that succeeded, even if it was refunded.
	paidStates = `'succeeded', 'refund_pending', 'refunded'`

	// maybePaid is true for a booking that was ever paid, or whose payment has no outcome yet.
	maybePaid = `EXISTS (
		SELECT
		FROM payments
		WHERE payments.booking_id = bookings.booking_id
		  AND payments.status <> 'failed'
	)`

	// takenSeats is the number of seats of live bookings of a row of shows.
	takenSeats = `(
		SELECT coalesce(sum(bookings.seat_count), 0)::int
		FROM bookings
		WHERE bookings.show_id = shows.show_id
		  AND ` + liveBooking + `
	)`
)

// seatPrice is the price of a seat of show_seats in a statement that has joined its row of shows.
const seatPrice = "shows.price"
