package domain

import "time"

// Invalid input.
var (
	ErrInvalidJSON      = &Error{Kind: KindInvalid, Code: "invalid_json", Message: "The request body is not valid JSON"}
	ErrUnknownField     = &Error{Kind: KindInvalid, Code: "unknown_field", Message: "The request body has an unknown field"}
	ErrValidation       = &Error{Kind: KindInvalid, Code: "validation_failed", Message: "The request is not valid"}
	ErrInvalidParameter = &Error{Kind: KindInvalid, Code: "invalid_parameter", Message: "A parameter of the request is not valid"}
	ErrInvalidCursor    = &Error{Kind: KindInvalid, Code: "invalid_cursor", Message: "The cursor does not belong to this list"}
	ErrDuplicateSeats   = &Error{Kind: KindInvalid, Code: "duplicate_seats", Message: "The request has a seat more than once"}
	ErrBookingMismatch  = &Error{Kind: KindInvalid, Code: "booking_mismatch", Message: "The booking in the body differs from the one in the path"}
)

// Authentication and authorization.
var (
	ErrUnauthorized       = &Error{Kind: KindUnauthenticated, Code: "unauthorized", Message: "A valid access token is required"}
	ErrTokenExpired       = &Error{Kind: KindUnauthenticated, Code: "token_expired", Message: "The access token has expired"}
	ErrInvalidCredentials = &Error{Kind: KindUnauthenticated, Code: "invalid_credentials", Message: "Invalid email or password"}
	ErrAccountBlocked     = &Error{Kind: KindForbidden, Code: "account_blocked", Message: "This account is blocked"}
	ErrWeakPassword       = &Error{Kind: KindInvalid, Code: "weak_password", Message: "This password is among the commonest"}
	ErrLastAdmin          = &Error{Kind: KindConflict, Code: "last_admin", Message: "This is the last administrator"}
	ErrHasBookings        = &Error{Kind: KindConflict, Code: "has_upcoming_bookings", Message: "The account has bookings of shows to come"}
	ErrForbidden          = &Error{Kind: KindForbidden, Code: "forbidden", Message: "You are not allowed to do this"}
	ErrAdminRegistration  = &Error{Kind: KindForbidden, Code: "admin_registration_forbidden", Message: "Admins cannot be registered here"}
	ErrEmailTaken         = &Error{Kind: KindConflict, Code: "email_taken", Message: "This email is already registered"}
)

// Not found.
var (
	ErrUserNotFound    = &Error{Kind: KindNotFound, Code: "user_not_found", Message: "User not found"}
	ErrVenueNotFound   = &Error{Kind: KindNotFound, Code: "venue_not_found", Message: "Venue not found"}
	ErrEventNotFound   = &Error{Kind: KindNotFound, Code: "event_not_found", Message: "Event not found"}
	ErrShowNotFound    = &Error{Kind: KindNotFound, Code: "show_not_found", Message: "Show not found"}
	ErrSeatsNotFound   = &Error{Kind: KindNotFound, Code: "seats_not_found", Message: "None of these seats exist in this venue"}
	ErrBookingNotFound = &Error{Kind: KindNotFound, Code: "booking_not_found", Message: "Booking not found"}
)

// Conflicts of venues, events and shows.
var (
	ErrVenueHasShows   = &Error{Kind: KindConflict, Code: "venue_has_shows", Message: "The venue has shows"}
	ErrEventHasShows   = &Error{Kind: KindConflict, Code: "event_has_shows", Message: "The event has shows"}
	ErrVenueFull       = &Error{Kind: KindConflict, Code: "venue_full", Message: "A venue has at most 200,000 seats"}
	ErrSeatsInUse      = &Error{Kind: KindConflict, Code: "seats_in_use", Message: "Some of these seats belong to a show"}
	ErrSeatConflict    = &Error{Kind: KindConflict, Code: "seat_conflict", Message: "Another seat has this label or guid"}
	ErrVenueBusy       = &Error{Kind: KindConflict, Code: "venue_busy", Message: "The venue has another show at that time"}
	ErrShowHasBookings = &Error{Kind: KindConflict, Code: "show_has_bookings", Message: "The show has bookings"}
)

// Booking and paying.
var (
	ErrSeatsUnavailable     = &Error{Kind: KindConflict, Code: "seats_unavailable", Message: "Some seats are no longer available"}
	ErrInvalidSeats         = &Error{Kind: KindInvalid, Code: "invalid_seats", Message: "Some seats do not belong to this show"}
	ErrShowStarted          = &Error{Kind: KindConflict, Code: "show_started", Message: "The show has already started"}
	ErrChallengeFailed      = &Error{Kind: KindInvalid, Code: "challenge_failed", Message: "The challenge was not solved"}
	ErrChallengeUnavailable = &Error{Kind: KindUnavailable, Code: "challenge_unavailable", Message: "The challenge cannot be checked right now", RetryAfter: 5 * time.Second}
	ErrTooManyHolds         = &Error{Kind: KindConflict, Code: "too_many_holds", Message: "You are holding too many seats. Pay or cancel some first"}
	ErrSeatCoolingDown      = &Error{Kind: KindConflict, Code: "seat_cooling_down", Message: "You have let this seat go a short time ago"}
	ErrSeatLimit            = &Error{Kind: KindConflict, Code: "seat_limit_exceeded", Message: "You have reached the limit of seats per person for this show"}
	ErrAmountMismatch       = &Error{Kind: KindInvalid, Code: "amount_mismatch", Message: "Amount does not match the booking"}
	ErrPaymentRequired      = &Error{Kind: KindPaymentRequired, Code: "payment_required", Message: "The booking has not been paid"}
	ErrPaymentDeclined      = &Error{Kind: KindPaymentRequired, Code: "payment_declined", Message: "Payment failed"}
	ErrBookingNotPending    = &Error{Kind: KindConflict, Code: "booking_not_pending", Message: "The booking is no longer pending"}
	ErrBookingCancelled     = &Error{Kind: KindConflict, Code: "booking_already_cancelled", Message: "The booking is already cancelled"}
	ErrHoldExpired          = &Error{Kind: KindExpired, Code: "hold_expired", Message: "Hold expired"}
	ErrOutcomeNotAllowed    = &Error{Kind: KindInvalid, Code: "outcome_not_allowed", Message: "The outcome of a payment cannot be chosen here"}
)

// Idempotency keys.
var (
	ErrIdempotencyKeyReused  = &Error{Kind: KindKeyReused, Code: "idempotency_key_reused", Message: "This Idempotency-Key was used for another request"}
	ErrIdempotencyInProgress = &Error{Kind: KindConflict, Code: "idempotency_in_progress", Message: "The first request with this Idempotency-Key is still running", RetryAfter: time.Second}
)

// Failures and limits.
var (
	ErrInternal            = &Error{Kind: KindInternal, Code: "internal", Message: "Something went wrong on our side"}
	ErrDatabaseUnavailable = &Error{Kind: KindUnavailable, Code: "database_unavailable", Message: "The database is unavailable", RetryAfter: 2 * time.Second}
	ErrOverloaded          = &Error{Kind: KindUnavailable, Code: "overloaded", Message: "Too many requests at once", RetryAfter: time.Second}
	ErrRateLimited         = &Error{Kind: KindLimited, Code: "rate_limited", Message: "Too many requests", RetryAfter: time.Second}
)

// The waiting room.
var (
	ErrWaitingRoom            = &Error{Kind: KindLimited, Code: "waiting_room", Message: "High traffic detected. You are in the virtual waiting room."}
	ErrWaitingRoomUnavailable = &Error{Kind: KindUnavailable, Code: "waiting_room_unavailable", Message: "The waiting room is unavailable", RetryAfter: 2 * time.Second}
	ErrTooManyPlaces          = &Error{Kind: KindLimited, Code: "too_many_places", Message: "Too many people of your network are in the waiting room of this show", RetryAfter: 30 * time.Second}
	ErrTooManyStreams         = &Error{Kind: KindLimited, Code: "too_many_streams", Message: "Too many event streams are open", RetryAfter: 5 * time.Second}
)
