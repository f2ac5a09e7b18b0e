package repository

// SQL conditions on a row of bookings, which the statement must not rename. Time is the database's.
const (
	liveHold = `(bookings.status = 'PENDING' AND bookings.expires_at > now())`

	// expiredHold is true for an expired hold that nothing has ended yet. The CASE keeps the planner from the index
	// of pending bookings, which holds every expired booking after a rush.
	expiredHold = `(CASE bookings.status WHEN 'PENDING' THEN bookings.expires_at <= now() ELSE false END)`

	// liveBooking is true for a booking that has its seats: confirmed, or a live hold.
	liveBooking = `(bookings.status = 'CONFIRMED' OR ` + liveHold + `)`

	// paidStates are the states of a payment that succeeded, even if it was refunded.
	paidStates = `'succeeded', 'refund_pending', 'refunded'`

	maybePaid = `EXISTS (
		SELECT
		FROM payments
		WHERE payments.booking_id = bookings.booking_id
		  AND payments.status <> 'failed'
	)`

	takenSeats = `(
		SELECT coalesce(sum(bookings.seat_count), 0)::int
		FROM bookings
		WHERE bookings.show_id = shows.show_id
		  AND ` + liveBooking + `
	)`
)

// Keys of advisory locks, in a statement with the columns user_id and show_id.
const (
	userKey = `hashtextextended('user ' || user_id, 0)`
	showKey = `hashtextextended('show ' || show_id, 0)`
)

// seatPrice is the price of a seat of show_seats in a statement that has joined its row of shows.
const seatPrice = "shows.price"
