package domain

import "time"

// Input that cannot be read or breaks a rule that needs no store.
var (
	ErrInvalidJSON      = &Error{Kind: KindInvalid, Code: "invalid_json", Message: "The request body is not valid JSON"}
	ErrUnknownField     = &Error{Kind: KindInvalid, Code: "unknown_field", Message: "The request body has a field that is not known here"}
	ErrValidation       = &Error{Kind: KindInvalid, Code: "validation_failed", Message: "The request is not valid"}
	ErrInvalidParameter = &Error{Kind: KindInvalid, Code: "invalid_parameter", Message: "A parameter of the request is not valid"}
	ErrInvalidCursor    = &Error{Kind: KindInvalid, Code: "invalid_cursor", Message: "The cursor is not one of this list"}
	ErrDuplicateSeats   = &Error{Kind: KindInvalid, Code: "duplicate_seats", Message: "A seat is named more than once"}
	ErrBookingMismatch  = &Error{Kind: KindInvalid, Code: "booking_mismatch", Message: "The booking in the body is not the one in the path"}
	ErrBodyTooLarge     = &Error{Kind: KindTooLarge, Code: "body_too_large", Message: "The request body is too large"}
	ErrUnsupportedMedia = &Error{Kind: KindUnsupportedMedia, Code: "unsupported_media_type", Message: "Content-Type must be application/json"}
)

// Who is asking, and whether they may.
var (
	ErrUnauthorized       = &Error{Kind: KindUnauthenticated, Code: "unauthorized", Message: "A valid access token is required"}
	ErrTokenExpired       = &Error{Kind: KindUnauthenticated, Code: "token_expired", Message: "The access token has expired"}
	ErrInvalidCredentials = &Error{Kind: KindUnauthenticated, Code: "invalid_credentials", Message: "Invalid email or password"}
	ErrForbidden          = &Error{Kind: KindForbidden, Code: "forbidden", Message: "You are not allowed to do this"}
	ErrAdminRegistration  = &Error{Kind: KindForbidden, Code: "admin_registration_forbidden", Message: "Admins cannot be registered here"}
	ErrEmailTaken         = &Error{Kind: KindConflict, Code: "email_taken", Message: "This email is already registered"}
)

// Things that are not there.
var (
	ErrRouteNotFound    = &Error{Kind: KindNotFound, Code: "route_not_found", Message: "Route not found"}
	ErrMethodNotAllowed = &Error{Kind: KindMethodNotAllowed, Code: "method_not_allowed", Message: "Method not allowed"}
	ErrUserNotFound     = &Error{Kind: KindNotFound, Code: "user_not_found", Message: "User not found"}
	ErrVenueNotFound    = &Error{Kind: KindNotFound, Code: "venue_not_found", Message: "Venue not found"}
	ErrEventNotFound    = &Error{Kind: KindNotFound, Code: "event_not_found", Message: "Event not found"}
	ErrShowNotFound     = &Error{Kind: KindNotFound, Code: "show_not_found", Message: "Show not found"}
	ErrSeatsNotFound    = &Error{Kind: KindNotFound, Code: "seats_not_found", Message: "None of these seats exist in this venue"}
	ErrBookingNotFound  = &Error{Kind: KindNotFound, Code: "booking_not_found", Message: "Booking not found"}
)

// Venues, events and shows that something else depends on.
var (
	ErrVenueHasShows   = &Error{Kind: KindConflict, Code: "venue_has_shows", Message: "The venue has shows"}
	ErrEventHasShows   = &Error{Kind: KindConflict, Code: "event_has_shows", Message: "The event has shows"}
	ErrVenueFull       = &Error{Kind: KindConflict, Code: "venue_full", Message: "A venue has at most 200,000 seats"}
	ErrSeatsInUse      = &Error{Kind: KindConflict, Code: "seats_in_use", Message: "Some of these seats belong to a show"}
	ErrVenueBusy       = &Error{Kind: KindConflict, Code: "venue_busy", Message: "The venue has another show at that time"}
	ErrShowHasBookings = &Error{Kind: KindConflict, Code: "show_has_bookings", Message: "The show has bookings"}
)

// Booking and paying.
var (
	ErrSeatsUnavailable  = &Error{Kind: KindConflict, Code: "seats_unavailable", Message: "Some seats are no longer available"}
	ErrInvalidSeats      = &Error{Kind: KindInvalid, Code: "invalid_seats", Message: "Some seats do not belong to this show"}
	ErrShowStarted       = &Error{Kind: KindConflict, Code: "show_started", Message: "The show has already started"}
	ErrSeatLimit         = &Error{Kind: KindConflict, Code: "seat_limit_exceeded", Message: "You have reached the number of seats one person may book for this show"}
	ErrAmountMismatch    = &Error{Kind: KindInvalid, Code: "amount_mismatch", Message: "The amount is not that of the booking"}
	ErrPaymentRequired   = &Error{Kind: KindPaymentRequired, Code: "payment_required", Message: "The booking has not been paid"}
	ErrPaymentDeclined   = &Error{Kind: KindPaymentRequired, Code: "payment_declined", Message: "Payment failed"}
	ErrBookingNotPending = &Error{Kind: KindConflict, Code: "booking_not_pending", Message: "The booking is no longer pending"}
	ErrBookingCancelled  = &Error{Kind: KindConflict, Code: "booking_already_cancelled", Message: "The booking is already cancelled"}
	ErrHoldExpired       = &Error{Kind: KindGone, Code: "hold_expired", Message: "The time to complete this booking is over"}
)

// Repeating a request with an idempotency key.
var (
	ErrIdempotencyKeyReused  = &Error{Kind: KindUnprocessable, Code: "idempotency_key_reused", Message: "This Idempotency-Key was used for another request"}
	ErrIdempotencyInProgress = &Error{Kind: KindConflict, Code: "idempotency_in_progress", Message: "The first request with this Idempotency-Key is still running", RetryAfter: time.Second}
)

// A store that does not answer, or too much at once.
var (
	ErrInternal            = &Error{Kind: KindInternal, Code: "internal", Message: "Something went wrong on our side"}
	ErrDatabaseUnavailable = &Error{Kind: KindUnavailable, Code: "database_unavailable", Message: "The service cannot reach its database right now", RetryAfter: 2 * time.Second}
	ErrOverloaded          = &Error{Kind: KindUnavailable, Code: "overloaded", Message: "Too many requests at once", RetryAfter: time.Second}
	ErrRateLimited         = &Error{Kind: KindTooManyRequests, Code: "rate_limited", Message: "Too many requests", RetryAfter: time.Second}
)

// The waiting room in front of booking.
var (
	ErrWaitingRoom            = &Error{Kind: KindTooManyRequests, Code: "waiting_room", Message: "High traffic detected. You are in the virtual waiting room."}
	ErrWaitingRoomUnavailable = &Error{Kind: KindUnavailable, Code: "waiting_room_unavailable", Message: "The waiting room does not answer right now", RetryAfter: 2 * time.Second}
	ErrTooManyStreams         = &Error{Kind: KindTooManyRequests, Code: "too_many_streams", Message: "Too many event streams are open", RetryAfter: 5 * time.Second}
)
