package repository

// liveBooking is the condition for a row of bookings to have its seats: it is confirmed, or a hold that
// has not expired. Every statement that asks for live bookings uses it.
const liveBooking = "(bookings.status = 'CONFIRMED' OR (bookings.status = 'PENDING' AND bookings.expires_at > now()))"

// expiredHold is the condition for a row of bookings to be a hold that ran out of time and was not ended
// yet. The CASE keeps the planner from the index of pending bookings, which looks cheap in a plan made
// before a rush and holds every expired booking after it.
const expiredHold = "(CASE bookings.status WHEN 'PENDING' THEN bookings.expires_at <= now() ELSE false END)"

// seatPrice is the price of a seat of show_seats in a statement that has joined its row of shows.
const seatPrice = "shows.price"
